// A token whose ephemeral key is in software, and a receiver for it: what the content benchmarks encrypt to.
import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';

export function softwareKey() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const keys = [{ kid: 'TpmEphemeralEncryptionKey', kty: 'RSA', e, n }];
  return {
    token: `${part({ alg: 'RS256' })}.${part({ 'x-ms-runtime': { keys } })}.c2ln`,
    publicKey,
    privateKey,
    unwrap: async (block) =>
      privateDecrypt({ key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, block),
  };
}

/** Stops a benchmark whose contenders do not do the same work. */
export function verify(condition, what) {
  if (!condition) throw new Error(`wrong result: ${what}`);
}

export const gigabytes = (bytesPerSecond) => `${(bytesPerSecond / 1e9).toFixed(2)} GB/s`;
