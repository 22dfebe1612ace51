import { constants, createCipheriv, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';

/** How a token is put under the guest's ephemeral key; tests ask for wrong ones. */
export interface EnvelopeOptions {
  /** How many tokens in a row come so, where a queue of them is asked for. Default 1. */
  times?: number;
  keySizeInBits?: 128 | 192 | 256;
  ivLength?: number;
  /** Default the bytes `Transport Key`. */
  additionalData?: string;
  /** Bytes of the tag that are sent. Default 16. */
  tagLength?: number;
  /** Changes the envelope, or puts something else in its place, before it is encoded. */
  modify?: (envelope: Record<string, unknown>) => unknown;
}

/** The `token` member of a guest attestation response: base64url of the envelope (guest-attestation-protocol.md 1.8). */
export function sealToken(token: string, key: KeyObject, options: EnvelopeOptions = {}): string {
  const { keySizeInBits = 256, ivLength = 12, tagLength = 16 } = options;
  const innerKey = randomBytes(keySizeInBits / 8);
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv(`aes-${keySizeInBits}-gcm`, innerKey, iv, { authTagLength: 16 });
  cipher.setAAD(Buffer.from(options.additionalData ?? 'Transport Key', 'ascii'));
  const ciphertext = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()]);
  const wrapped = publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, innerKey);
  const envelope = {
    AuthenticationData: cipher.getAuthTag().subarray(0, tagLength).toString('base64'),
    EncryptedInnerKey: wrapped.toString('base64'),
    EncryptionParams: {
      BlockMode: 'ChainingModeGCM',
      BlockPadding: 'PKCS7',
      Cipher: 'AES',
      Iv: iv.toString('base64'),
      KeySizeInBits: keySizeInBits,
    },
    Jwt: ciphertext.toString('base64'),
  };
  return Buffer.from(JSON.stringify(options.modify?.(envelope) ?? envelope), 'utf8').toString('base64url');
}
