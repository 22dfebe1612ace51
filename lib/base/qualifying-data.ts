import { concatBytes, utf8Bytes } from './bytes.js';
import { textLike } from './option-kinds.js';
import type { OptionKind } from './options.js';
import { sha2 } from './sha2.js';

/**
 * What a quote is asked over when its nonce belongs to a protocol: the nonce is hashed together with the name of the
 * protocol, so that a quote for one of them, or over somebody's raw nonce, answers no challenge of another.
 */

/** `CGA-qdv1`, the first 8 of the 40 bytes. */
const PREFIX = /* @__PURE__ */ utf8Bytes('CGA-qdv1');

/** Contexts of protocols that this package speaks itself, and a prefix for those to come. */
const RESERVED = /* @__PURE__ */ new Set(['channel-v1', 'pop-v1', 'verifier-v1', 'kbs-v1']);
const RESERVED_PREFIX = 'cga-';

/** `"CGA-qdv1" ‖ SHA-256(context ‖ 0x00 ‖ nonce)`, 40 bytes. */
export function qualifyingData(context: string, nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  return concatBytes(PREFIX, sha2('SHA-256', concatBytes(utf8Bytes(context), Uint8Array.of(0), nonce)));
}

/** Whether bytes begin as those of a context do: nobody's raw nonce may. */
export function isLikeQualifyingData(nonce: Uint8Array): boolean {
  return PREFIX.every((byte, at) => nonce[at] === byte);
}

/** Whether only the protocols of this package may ask for quotes under the context. */
export function isReservedContext(context: string): boolean {
  return RESERVED.has(context) || context.startsWith(RESERVED_PREFIX);
}

/** Name of a protocol: 1 to 32 characters of `a–z0–9-`. */
export const contextName: OptionKind<string> = textLike(/^[a-z0-9-]{1,32}$/, '1 to 32 of a–z, 0–9 and -');
