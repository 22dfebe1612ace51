import { types } from 'node:util';
import { byteLength } from '../base/bytes.js';
import { invalid } from './errors.js';

const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const bufferOf = Object.getOwnPropertyDescriptor(typedArray, 'buffer')?.get as (this: unknown) => ArrayBufferLike;
const offsetOf = Object.getOwnPropertyDescriptor(typedArray, 'byteOffset')?.get as (this: unknown) => number;

/**
 * The bytes of a Uint8Array as a plain Buffer over the same memory. A subclass, or a property of the object, may say
 * anything of its length: what is computed from a length must not come out longer than the bytes that there are, and
 * nothing of the caller's runs afterwards.
 */
function plainView(value: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(bufferOf.call(value) as ArrayBuffer, offsetOf.call(value), byteLength(value));
}

/**
 * @returns a view that tells the truth about its length, over the caller's memory
 * @throws AttestationError 8 when `value` is not a Uint8Array in memory of its own; bytes that were transferred to somebody
 * else are not taken for none.
 */
export function requireBytes(value: unknown, name: string): Buffer<ArrayBuffer> {
  if (!types.isUint8Array(value)) throw invalid(`${name} must be a Uint8Array`);
  if (types.isSharedArrayBuffer(bufferOf.call(value))) throw invalid(`${name} must not lie in a SharedArrayBuffer`);
  if (byteLength(value) === 0 && isDetached(bufferOf.call(value))) throw invalid(`${name} is detached`);
  return plainView(value);
}

function isDetached(buffer: ArrayBufferLike): boolean {
  try {
    return new Uint8Array(buffer).length < 0;
  } catch {
    return true;
  }
}

/**
 * The same for memory that other threads work on, where it lies: what can shrink under them is refused, too. That it is
 * transferred meanwhile cannot be prevented.
 */
export function requireBulk(value: unknown, name: string): Buffer<ArrayBuffer> {
  const bytes = requireBytes(value, name);
  const { resizable } = bytes.buffer as { resizable?: boolean };
  if (resizable) throw invalid(`${name} must not lie in a resizable ArrayBuffer`);
  return bytes;
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;

/**
 * Base64url without padding (RFC 7515 section 2) that could not have been written in another way: no other characters,
 * no bits left over.
 *
 * @throws AttestationError 8
 */
export function decodeBase64url(text: unknown, name: string, size?: number): Buffer {
  if (typeof text !== 'string' || !BASE64URL.test(text)) throw invalid(`${name} is not base64url`);
  return checked(text, Buffer.from(text, 'base64url'), name, size);
}

/** Characters that are decoded at a time: four of them are three bytes. */
const PIECE = 1 << 20;

/**
 * The same for text of many megabytes, over which a regular expression is slow. In pieces, because Node copies the text that
 * it decodes, and ends the process when it has no memory for that.
 *
 * @throws RangeError when there is no memory for the result
 */
export function decodeLongBase64url(text: string, name: string): Buffer {
  // What Node skips makes the result shorter; the standard alphabet is all that it takes beyond base64url.
  if (text.includes('+') || text.includes('/')) throw invalid(`${name} is not base64url`);
  if (text.length <= PIECE) return checked(text, Buffer.from(text, 'base64url'), name);
  const bytes = Buffer.allocUnsafeSlow(decodedLength(text));
  let size = 0;
  for (let from = 0; from < text.length; from += PIECE) {
    size += bytes.write(text.slice(from, from + PIECE), size, 'base64url');
  }
  return checked(text, bytes.subarray(0, size), name);
}

const decodedLength = (text: string): number => Math.floor((text.length * 3) / 4);

function checked(text: string, bytes: Buffer, name: string, size?: number): Buffer {
  const rest = text.length % 4;
  const tail = bytes.subarray(bytes.length - (bytes.length % 3)).toString('base64url');
  if (
    rest === 1 ||
    bytes.length !== decodedLength(text) ||
    tail !== text.slice(text.length - rest) ||
    (size !== undefined && bytes.length !== size)
  ) {
    throw invalid(size === undefined ? `${name} is not base64url` : `${name} must be base64url of ${size} bytes`);
  }
  return bytes;
}
