import type { Transform } from 'node:stream';
import { throwIfAborted } from '../base/abort.js';
import { abortSignal, unchecked } from '../base/option-kinds.js';
import { checkOptions, type OptionTable } from '../base/options.js';
import { native } from '../native.js';
import type { EncryptionTarget } from '../token/ephemeral-key.js';
import { ChunkPump, requirePiece, requireSource } from './chunk-pump.js';
import { sealingError } from './errors.js';
import { wrapInputKey } from './input-key.js';
import { BOUND_BYTES } from './options.js';
import { pumpTransform } from './pump-transform.js';
import { encodeStreamHeader, type StreamOptions, type StreamOutputOption, streamContext } from './stream-header.js';
import { wrappingKeyOf } from './wrapping-key.js';

export interface StreamEncryptOptions extends StreamOptions {
  signal?: AbortSignal;
}

const OPTIONS: OptionTable<StreamEncryptOptions> = { additionalData: BOUND_BYTES, signal: abortSignal };
const CHUNK_OPTIONS: OptionTable<StreamEncryptOptions & StreamOutputOption> = { output: unchecked(), ...OPTIONS };

function startStream(
  token: EncryptionTarget,
  options: StreamOptions & StreamOutputOption,
): { header: Buffer; pump: ChunkPump } {
  const { key, jwe } = wrapInputKey(wrappingKeyOf(token), 'stream');
  try {
    const header = encodeStreamHeader(jwe);
    const sealer = new (native().ChunkSealer)(key, streamContext(header, options.additionalData));
    return { header: Buffer.concat([header, sealer.prefix]), pump: new ChunkPump(sealer, options.output) };
  } catch (error) {
    throw sealingError(error);
  } finally {
    key.destroy();
  }
}

/**
 * Encrypts a stream of any length to the token's TPM key, in constant memory: the C2SP chunked format under a wrapped
 * key. Works on whatever yields bytes: a Node stream, a Web stream, an async generator. Pieces of 256 KiB and more use
 * all cores. Format: docs/encryption.md, section "Streams".
 *
 * Rejects with AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key.
 */
export async function* encryptChunks(
  token: EncryptionTarget,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  given: StreamEncryptOptions & StreamOutputOption = {},
): AsyncGenerator<Buffer, void, undefined> {
  const options = checkOptions('encryptChunks', given, CHUNK_OPTIONS);
  requireSource(source);
  throwIfAborted(options.signal);
  const { header, pump } = startStream(token, options);
  try {
    yield header;
    for await (const piece of source) {
      throwIfAborted(options.signal);
      yield* pump.update(requirePiece(piece));
    }
    yield pump.finish();
  } catch (error) {
    throw sealingError(error);
  } finally {
    pump.close();
  }
}

/**
 * {@link encryptChunks} as a Node Transform; `Duplex.toWeb(stream)` makes a Web stream pair of it. Write large buffers
 * (1 MiB) for the highest throughput.
 *
 * @throws AttestationError 8 for wrong arguments, 22 or 23 for a token without a usable key
 */
export function createEncryptStream(token: EncryptionTarget, given: StreamEncryptOptions = {}): Transform {
  const options = checkOptions('createEncryptStream', given, OPTIONS);
  const { header, pump } = startStream(token, options);
  const stream = pumpTransform({
    update: (piece) => pump.update(piece),
    finish: () => [pump.finish()],
    close: () => pump.close(),
    translate: sealingError,
    ...(options.signal !== undefined && { signal: options.signal }),
  });
  stream.push(header);
  return stream;
}
