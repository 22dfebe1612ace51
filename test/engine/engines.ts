import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { PublicKey, SignatureEngine, SignatureScheme } from '../../lib/engine/engine.js';
import { nativeEngine } from '../../lib/engine/native.js';
import { nodeEngine } from '../../lib/engine/node.js';
import { publicKeyFromJwk } from '../../lib/engine/public-key.js';
import { webcryptoEngine } from '../../lib/engine/webcrypto.js';
import { native } from '../../lib/native.js';

export const engines: readonly SignatureEngine[] = [nativeEngine(native()), nodeEngine, webcryptoEngine];

/** A signer with its scheme, and what it has signed. */
export interface Signed {
  name: string;
  key: PublicKey;
  scheme: SignatureScheme;
  message: Uint8Array;
  signature: Uint8Array;
}

const HASHES = ['SHA-256', 'SHA-384', 'SHA-512'] as const;
const nodeName = (hash: string): string => hash.replace('-', '').toLowerCase();

function signed(name: string, pair: { privateKey: KeyObject; publicKey: KeyObject }, scheme: SignatureScheme): Signed {
  const message = new TextEncoder().encode(`signed by ${name}`);
  const key = publicKeyFromJwk(pair.publicKey.export({ format: 'jwk' }));
  if (key === undefined) throw new Error(`${name} has no usable key`);
  const how =
    scheme.scheme === 'ecdsa'
      ? { dsaEncoding: 'ieee-p1363' as const }
      : scheme.scheme === 'rsa-pss'
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
        : { padding: constants.RSA_PKCS1_PADDING };
  const signature = new Uint8Array(sign(nodeName(scheme.hash), message, { key: pair.privateKey, ...how }));
  return { name, key, scheme, message, signature };
}

/** One genuine signature for every scheme, hash and kind of key. */
export function everySignature(): Signed[] {
  const all: Signed[] = [];
  for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
    const pair = generateKeyPairSync('ec', { namedCurve });
    for (const hash of HASHES) all.push(signed(`${namedCurve} ${hash}`, pair, { scheme: 'ecdsa', hash }));
  }
  for (const [modulusLength, publicExponent] of [
    [2048, 65537],
    [3072, 65537],
    [2049, 3],
  ] as const) {
    const pair = generateKeyPairSync('rsa', { modulusLength, publicExponent });
    for (const hash of HASHES) {
      const of = `RSA-${modulusLength} ${hash}`;
      all.push(signed(`${of} PKCS #1`, pair, { scheme: 'rsa-pkcs1', hash }));
      for (const saltLength of [0, 20, { 'SHA-256': 32, 'SHA-384': 48, 'SHA-512': 64 }[hash]]) {
        all.push(signed(`${of} PSS with salt ${saltLength}`, pair, { scheme: 'rsa-pss', hash, saltLength }));
      }
    }
  }
  return all;
}
