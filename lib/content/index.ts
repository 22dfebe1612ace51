export { STREAM_OUTPUT_BYTES } from './chunk-pump.js';
export { createDecryptor, Decryptor, type DecryptorOptions } from './decryptor.js';
export { createEncryptor, Encryptor, type EncryptorOptions } from './encryptor.js';
export {
  decryptEnvelope,
  type EnvelopeDecryptOptions,
  type EnvelopeEncryptOptions,
  encryptEnvelope,
} from './envelope.js';
export { decryptJwe, encryptJwe } from './jwe.js';
export type { JweOptions } from './jwe-encrypt.js';
export { KeyCache, type KeyCacheOptions } from './key-cache.js';
export { PackedMessages } from './packed.js';
export { openRandomAccess, type RandomAccessSource, SealedFile } from './random-access.js';
export type { BulkOptions } from './seal.js';
export type { StreamDecryptOptions, StreamOptions, StreamOutputOption } from './stream-header.js';
export { createDecryptStream, decryptChunks } from './stream-open.js';
export { createEncryptStream, encryptChunks, type StreamEncryptOptions } from './stream-seal.js';
export type { UnwrapContext, UnwrapKey, UnwrapOptions } from './unwrap.js';
