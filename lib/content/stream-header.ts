import { type NativeChunkOpener, native } from '../native.js';
import { requireBytes } from './bytes.js';
import { invalid, openingError } from './errors.js';
import { withInputKey } from './input-key.js';
import type { UnwrapKey, UnwrapOptions } from './unwrap.js';

/*
 * A sealed stream (docs/encryption.md, section "Streams"):
 *
 *   0  7  magic "CVMSEAL"
 *   7  1  version 1
 *   8  2  length of the JWE, big-endian
 *  10  n  compact JWE that carries the 32-byte input key
 *  10+n   C2SP chunked ciphertext: salt (24), commitment (32), chunks
 *
 * The context of the chunked ciphertext is everything before the salt, then the caller's additional data.
 */
const VERSION = 1;
const MAGIC = Buffer.from(`CVMSEAL${String.fromCharCode(VERSION)}`, 'latin1');
const MAGIC_BYTES = 7;
const FIXED_BYTES = MAGIC.length + 2;
/** Longest JWE that is read. Ours has about 700 bytes. */
const MAX_JWE_BYTES = 8192;
/** Salt and commitment. */
const PREFIX_BYTES = 56;

/** Most bytes before the first chunk. */
export const MAX_HEADER_BYTES = FIXED_BYTES + MAX_JWE_BYTES + PREFIX_BYTES;

export interface StreamOptions {
  /** Bound into the stream: both sides give the same. */
  additionalData?: Uint8Array;
}

/** For the generators: their reader says when it is done with a piece by asking for the next one. */
export interface StreamOutputOption {
  /**
   * Memory of the reader's own for every result, at least {@link STREAM_OUTPUT_BYTES}: each piece lies in it only until the
   * next one is asked for. Saves the stream from taking new memory. By default each piece is the reader's to keep.
   */
  output?: Uint8Array;
}

export interface StreamDecryptOptions extends StreamOptions, UnwrapOptions {}

/** The bytes before the salt. */
export function encodeStreamHeader(jwe: string): Buffer {
  const header = Buffer.alloc(FIXED_BYTES + jwe.length);
  MAGIC.copy(header);
  header.writeUInt16BE(jwe.length, MAGIC.length);
  header.write(jwe, FIXED_BYTES, 'latin1');
  return header;
}

export function streamContext(header: Uint8Array, additionalData: Uint8Array | undefined): Buffer {
  if (additionalData === undefined) return Buffer.from(header);
  return Buffer.concat([header, requireBytes(additionalData, 'additionalData')]);
}

/**
 * How many bytes lie before the first chunk, as far as the beginning of a stream tells; undefined when it is too short to
 * tell.
 *
 * @throws AttestationError 8 when these bytes begin no sealed stream
 */
export function streamHeaderBytes(start: Uint8Array): number | undefined {
  const magic = MAGIC.subarray(0, Math.min(start.length, MAGIC_BYTES));
  if (!magic.equals(start.subarray(0, magic.length))) throw invalid('this is not a sealed stream');
  const version = start[MAGIC_BYTES];
  if (version !== undefined && version !== VERSION) {
    throw invalid(`version ${version} of the sealed stream format is not known`);
  }
  if (start.length < FIXED_BYTES) return undefined;
  const jweBytes = Buffer.from(start.buffer, start.byteOffset, FIXED_BYTES).readUInt16BE(MAGIC_BYTES + 1);
  if (jweBytes === 0 || jweBytes > MAX_JWE_BYTES) throw invalid('the sealed stream has a header of impossible length');
  return FIXED_BYTES + jweBytes + PREFIX_BYTES;
}

/**
 * Unwraps the input key and checks its commitment.
 *
 * @param header exactly the bytes before the first chunk
 * @throws AttestationError 8 for a malformed header, 26 when the key does not open or is not the stream's
 */
export async function openStream(
  header: Uint8Array,
  unwrap: UnwrapKey,
  options: StreamDecryptOptions,
): Promise<NativeChunkOpener> {
  const bound = header.subarray(0, header.length - PREFIX_BYTES);
  const context = streamContext(bound, options.additionalData);
  const jwe = Buffer.from(bound.subarray(FIXED_BYTES)).toString('latin1');
  return withInputKey(jwe, 'stream', unwrap, options, (key) => {
    try {
      return new (native().ChunkOpener)(key, header.subarray(header.length - PREFIX_BYTES), context);
    } catch (error) {
      throw openingError(error);
    }
  });
}
