import { decodeBase64url } from '../base/base64url.js';
import { isJsonObject } from '../base/strict-json.js';
import { jsonObject, MalformedJws } from './jws.js';

type JsonObject = Record<string, unknown>;

/** Payload of a release answer, taken apart; every member as it came. */
export interface ReleaseAnswer {
  readonly request: { readonly enc: unknown; readonly kid: unknown; readonly nonce: unknown };
  /** JWK of the key: its public part, `kid` and `key_hsm`. */
  readonly jwk: JsonObject;
  readonly attributes: JsonObject;
  readonly releasePolicy: JsonObject | undefined;
  readonly tags: JsonObject | undefined;
}

/** The wrapped key: `key_hsm` of the answer. */
export interface WrappedKeyBlob {
  readonly kid: unknown;
  readonly alg: unknown;
  readonly enc: unknown;
  /** RSA block, then the AES-KWP of the key. */
  readonly ciphertext: Uint8Array;
}

/** Far above RSA-4096 under RSA-4096: 3 KB. */
const MAX_CIPHERTEXT_TEXT = 128 * 1024;

/** @throws MalformedJws */
export function readAnswer(payload: Uint8Array): ReleaseAnswer {
  const { request, response } = jsonObject(payload, 'payload');
  if (!isJsonObject(request)) throw new MalformedJws('the payload has no request');
  const key = isJsonObject(response) ? response.key : undefined;
  if (!isJsonObject(key) || !isJsonObject(key.key)) throw new MalformedJws('the payload has no response with a key');
  return {
    request: { enc: request.enc, kid: request.kid, nonce: request.nonce },
    jwk: key.key,
    attributes: isJsonObject(key.attributes) ? key.attributes : {},
    releasePolicy: isJsonObject(key.release_policy) ? key.release_policy : undefined,
    tags: isJsonObject(key.tags) ? key.tags : undefined,
  };
}

/** @throws MalformedJws */
export function readBlob({ key_hsm: blob }: JsonObject): WrappedKeyBlob {
  const bytes = typeof blob === 'string' && blob.length <= MAX_CIPHERTEXT_TEXT * 2 ? decodeBase64url(blob) : undefined;
  if (bytes === undefined) throw new MalformedJws('key_hsm is not base64url');
  const { schema_version: version, header, ciphertext } = jsonObject(bytes, 'key_hsm');
  if (version !== '1.0') throw new MalformedJws('key_hsm has another schema_version than 1.0');
  if (!isJsonObject(header)) throw new MalformedJws('key_hsm has no header');
  const wrapped =
    typeof ciphertext === 'string' && ciphertext.length <= MAX_CIPHERTEXT_TEXT
      ? decodeBase64url(ciphertext)
      : undefined;
  if (wrapped === undefined || wrapped.length === 0)
    throw new MalformedJws('the ciphertext of key_hsm is not base64url');
  return { kid: header.kid, alg: header.alg, enc: header.enc, ciphertext: wrapped };
}
