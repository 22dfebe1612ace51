/** A handler of web `Request`s, as `createKeyBroker`, `createVerifierService` and `forwardAuth` return. */
export type WebHandler = (request: Request) => Promise<Response>;

/** A request as far as a service needs it, whatever brought it. */
export interface PlainRequest {
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /**
   * The whole body, at most `maxBytes`; undefined for more, and as soon as `admits` refuses so many bytes more. Called once.
   * Rejects when the rest does not come.
   */
  body(maxBytes: number, admits?: (bytes: number) => boolean): Promise<Uint8Array | undefined>;
}

export interface PlainAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
}

export type PlainHandler = (request: PlainRequest) => Promise<PlainAnswer>;

/** Internal: what a handler of web `Request`s is made of, for servers that have none: making one costs more than a signature. */
export const plainHandler = Symbol('plain handler');

export interface PlainWebHandler extends WebHandler {
  readonly [plainHandler]: PlainHandler;
}

export function webHandler(handler: PlainHandler): PlainWebHandler {
  const web: WebHandler = async (request) => {
    const { status, headers, body } = await handler({
      method: request.method,
      path: new URL(request.url).pathname,
      body: (maxBytes, admits) => bodyOf(request, maxBytes, admits),
    });
    return new Response(body, { status, headers });
  };
  return Object.assign(web, { [plainHandler]: handler });
}

/** Targets as in the request lines: a URL of one has no dot segments and no fragment, and other characters. */
const rawTargets = new WeakMap<Request, string>();

/** Remembers what the request line said, since a web `Request` does not. */
export function rememberTarget(request: Request, target: string): Request {
  rawTargets.set(request, target);
  return request;
}

/** Path and query of the URL, which is what handlers see, and the target of the request line where that is known. */
export function targetOf(request: Request): { ofUrl: string; raw: string | undefined } {
  const { pathname, search } = new URL(request.url);
  return { ofUrl: pathname + search, raw: rawTargets.get(request) };
}

/** The whole body of a web `Request`; undefined for more than `maxBytes` or `admits` allows, whose rest is not read. */
export async function bodyOf(
  request: Request,
  maxBytes: number,
  admits?: (bytes: number) => boolean,
): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes || admits?.(value.length) === false) {
      await reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks);
}
