import { bigEndian, concatBytes, equalBytes, utf8Bytes } from './bytes.js';
import { hkdf32 } from './hkdf.js';
import { hmac, sha2 } from './sha2.js';

/**
 * A shared entry: fetchedAt (u64 ms) ‖ body ‖ HMAC-SHA-256(K, u16 length ‖ name ‖ fetchedAt ‖ SHA-256(body)), integers
 * big-endian. The name is in the MAC, so that an entry cannot be passed off as another one.
 */
const TIME_BYTES = 8;
const MAC_BYTES = 32;
/** Entries of another machine may be this far in the future by this one's clock. */
const CLOCK_TOLERANCE_MS = 60_000;

export interface CacheEntry {
  body: Uint8Array;
  /** Milliseconds since the epoch. */
  fetchedAt: number;
}

/** Keys of entries. Without a secret the MAC is a checksum: what it guards is checked by other means. */
export function entryKeys(secrets: readonly Uint8Array[]): Uint8Array[] {
  const given = secrets.length === 0 ? [new Uint8Array(32)] : secrets;
  return given.map((secret) => hkdf32(secret, 'cvm-guest-attestation cache v1'));
}

export function sealEntry(name: string, { body, fetchedAt }: CacheEntry, key: Uint8Array): Uint8Array {
  const time = bigEndian(fetchedAt, TIME_BYTES);
  return concatBytes(time, body, entryMac(name, time, body, key));
}

/** The entry, or undefined for what is not one, is of another name or secret, or is from the future. */
export function openEntry(
  name: string,
  bytes: Uint8Array,
  keys: readonly Uint8Array[],
  now: number,
): CacheEntry | undefined {
  if (bytes.length <= TIME_BYTES + MAC_BYTES) return undefined;
  const time = bytes.slice(0, TIME_BYTES);
  const body = bytes.slice(TIME_BYTES, -MAC_BYTES);
  const mac = bytes.slice(-MAC_BYTES);
  if (!keys.some((key) => equalBytes(mac, entryMac(name, time, body, key)))) return undefined;
  const fetchedAt = new DataView(time.buffer).getBigUint64(0);
  if (fetchedAt > BigInt(now + CLOCK_TOLERANCE_MS)) return undefined;
  return { body, fetchedAt: Number(fetchedAt) };
}

function entryMac(name: string, time: Uint8Array, body: Uint8Array, key: Uint8Array): Uint8Array {
  const nameBytes = utf8Bytes(name);
  return hmac('SHA-256', key, concatBytes(bigEndian(nameBytes.length, 2), nameBytes, time, sha2('SHA-256', body)));
}
