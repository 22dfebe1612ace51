// ECDSA verifications by EVP and nothing else (bench/native/evp_verify.cc): what the addon's are measured with. The addon's own
// PublicKey is not bare: it has tables of keys that it has seen before.
import { existsSync } from 'node:fs';
import { nativeModule } from './_native.mjs';

/** Where Linux distributions for the architectures that are built for have the system's libcrypto. */
const SYSTEM = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '../lib64'].map(
  (folder) => `/usr/lib/${folder}/libcrypto.so.3`,
);

/**
 * A contender: one bare verification by the OpenSSL inside the addon. Digest included, the key is parsed before.
 *
 * @param {{ hash: string, key: import('node:crypto').KeyObject, message: Uint8Array, signature: Uint8Array }} signed
 *   `signature` is r and s, as long as the field each
 */
export function bareVerification(signed) {
  const evp = evpOf('', signed);
  return () => evp.verify() || fail();
}

/** The same by the system's OpenSSL, as `{ verify, version }`; undefined where that is not of the line `3.0`. */
export function bareVerificationOf30(signed) {
  const library = SYSTEM.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  const evp = evpOf(library, signed);
  if (!evp.version.startsWith('OpenSSL 3.0.')) return undefined;
  return { verify: () => evp.verify() || fail(), version: evp.version.split(' ')[1] };
}

function fail() {
  throw new Error('a bare verification fails');
}

let module;

function evpOf(library, { hash, key, message, signature }) {
  module ??= nativeModule('evp_verify');
  const { EvpVerify } = module;
  const spki = key.export({ type: 'spki', format: 'der' });
  return new EvpVerify(library, hash, spki, message, derOf(signature));
}

/** ECDSA-Sig-Value of RFC 3279. */
function derOf(signature) {
  const integer = (bytes) => {
    const start = bytes.findIndex((byte) => byte !== 0);
    const value = bytes.subarray(start);
    return [0x02, value.length + (value[0] >> 7), ...(value[0] > 127 ? [0] : []), ...value];
  };
  const half = signature.length / 2;
  const body = [...integer(signature.subarray(0, half)), ...integer(signature.subarray(half))];
  return Uint8Array.of(0x30, ...(body.length > 127 ? [0x81] : []), body.length, ...body);
}
