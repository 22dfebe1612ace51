import { EVIDENCE_JSON_LIMITS } from '../../abi/evidence-json.js';
import { decodeBase64url } from '../../base/base64url.js';
import { utf8Text } from '../../base/bytes.js';
import { isJsonObject, parseStrictJson } from '../../base/strict-json.js';
import type { PlainAnswer, PlainRequest } from '../server/exchange.js';

/** Why the service answers no, besides what verification says. */
export class ServiceRefusal extends Error {
  override readonly name = 'ServiceRefusal';
  readonly status: number;
  readonly code: string;
  /** The methods of a path, of a refusal of another one. */
  readonly allow: string | undefined;

  constructor(status: number, code: string, message: string, allow?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.allow = allow;
  }

  toAnswer(): PlainAnswer {
    const headers: Record<string, string> = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };
    if (this.status === 503 || this.status === 429) headers['Retry-After'] = '1';
    if (this.allow !== undefined) headers.Allow = this.allow;
    return {
      status: this.status,
      headers,
      body: JSON.stringify({ error: { code: this.code, message: this.message } }),
    };
  }
}

export interface EvidenceRequest {
  /** Parsed, not yet looked at. */
  evidence: object;
  /** A challenge of this service. */
  challenge?: string;
  /** A relying party's own nonce, and the context that it is quoted under. */
  nonce?: { text: string; bytes: Uint8Array; context: string };
  audience: string;
}

const MAXIMUM_DEPTH = 32;
/** As many as evidence may have, and the request’s own. */
const MAXIMUM_VALUES = EVIDENCE_JSON_LIMITS.values + 16;
const EVIDENCE_MEMBERS: readonly string[] = ['evidence', 'challenge', 'nonce', 'context', 'aud'];
const TOKEN_MEMBERS: readonly string[] = ['token', 'aud'];

/** Body of `POST /v1/evidence`. */
export function parseEvidenceRequest(
  text: string,
  audiences: readonly string[],
  contexts: readonly string[],
): EvidenceRequest {
  const body = parseBody(text, EVIDENCE_MEMBERS);
  const { evidence, challenge, nonce, context } = body;
  if (!isJsonObject(evidence)) throw malformed('evidence must be an object, as evidenceToJson writes it');
  const request: EvidenceRequest = { evidence, audience: audienceOf(body, audiences) };
  if (challenge !== undefined) {
    if (typeof challenge !== 'string' || nonce !== undefined || context !== undefined) {
      throw malformed('challenge is a string, and stands alone');
    }
    request.challenge = challenge;
  } else if (nonce !== undefined || context !== undefined) {
    const bytes = typeof nonce === 'string' ? decodeBase64url(nonce) : undefined;
    if (bytes === undefined || bytes.length === 0 || bytes.length > 64) {
      throw malformed('nonce must be 1 to 64 bytes in base64url');
    }
    if (typeof context !== 'string' || !contexts.includes(context)) {
      throw malformed('context must be one that this service was told of');
    }
    request.nonce = { text: nonce as string, bytes, context };
  }
  return request;
}

/** Body of `POST /v1/token`. */
export function parseTokenRequest(text: string, audiences: readonly string[]): { token: string; audience: string } {
  const body = parseBody(text, TOKEN_MEMBERS);
  if (typeof body.token !== 'string') throw malformed('token must be a string');
  return { token: body.token, audience: audienceOf(body, audiences) };
}

function parseBody(text: string, members: readonly string[]): Record<string, unknown> {
  let commas = 0;
  for (let at = text.indexOf(','); at >= 0; at = text.indexOf(',', at + 1)) {
    if (++commas > MAXIMUM_VALUES) throw malformed('the request has too many values');
  }
  let body: unknown;
  try {
    body = parseStrictJson(text, MAXIMUM_DEPTH);
  } catch {
    throw malformed('the request must be JSON in UTF-8, with no member twice');
  }
  if (!isJsonObject(body)) throw malformed('the request must be an object');
  const unknown = Object.keys(body).find((name) => !members.includes(name));
  if (unknown !== undefined) throw malformed(`there are ${members.join(', ')}`);
  return body;
}

function audienceOf({ aud }: Record<string, unknown>, audiences: readonly string[]): string {
  if (aud === undefined && audiences.length === 1) return audiences[0] as string;
  if (typeof aud !== 'string' || !audiences.includes(aud))
    throw malformed('aud must be one that this service was told of');
  return aud;
}

/** The text of a request, bounded; see {@link PlainRequest.body}. */
export async function readText(
  request: PlainRequest,
  maxBytes: number,
  admits?: (bytes: number) => boolean,
): Promise<string> {
  let body: Uint8Array | undefined;
  try {
    body = await request.body(maxBytes, admits);
  } catch {
    throw malformed('the request was not sent to its end');
  }
  if (body === undefined) {
    throw new ServiceRefusal(413, 'ERR_REQUEST_TOO_LARGE', `the request is larger than ${maxBytes} bytes`);
  }
  const text = utf8Text(body);
  if (text === undefined) throw malformed('the request must be JSON in UTF-8, with no member twice');
  return text;
}

export function malformed(message: string): ServiceRefusal {
  return new ServiceRefusal(400, 'ERR_REQUEST', message);
}
