/** An answer of a simulated service. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * How a simulated service treats one request, instead of answering it as it should.
 *
 * `times` is how many requests in a row are treated so, default 1; `Infinity` for all.
 */
export type Behaviour = { times?: number } & (
  | { kind: 'answer'; status?: number; headers?: Record<string, string>; body?: string | Uint8Array | object }
  /** Takes the request and never says a word. */
  | { kind: 'hang' }
  /** Sends status and headers, then nothing. */
  | { kind: 'hang-after-headers' }
  /** Closes the connection instead of answering. */
  | { kind: 'close' }
  /** Promises the whole body, sends half of it and closes. */
  | { kind: 'close-mid-body' }
  /** Sends the proper answer byte by byte. */
  | { kind: 'drip'; intervalMs: number }
  /** Sends this many bytes of a JSON string that never was asked for. */
  | { kind: 'oversized'; bytes: number }
  /** Gives the proper answer after this long. */
  | { kind: 'delay'; ms: number }
  /** Changes the proper answer. */
  | { kind: 'modify'; modify: (answer: Answer) => Answer }
);

/** Body of an answer: objects as JSON, text as UTF-8. */
export function encodeBody(body: string | Uint8Array | object | undefined): Buffer {
  if (body === undefined) return Buffer.alloc(0);
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return Buffer.from(body);
  return Buffer.from(JSON.stringify(body), 'utf8');
}

export function jsonAnswer(status: number, body: object): Answer {
  return { status, headers: { 'content-type': 'application/json; charset=utf-8' }, body: encodeBody(body) };
}

export function textAnswer(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: encodeBody(body) };
}
