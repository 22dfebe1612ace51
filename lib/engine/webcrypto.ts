import { sha2 } from '../base/sha2.js';
import type { PublicKey, SignatureEngine, SignatureScheme } from './engine.js';
import { jwkOfPublicKey } from './public-key.js';

/** WebCrypto, which every current runtime has. Digests are this package's own, since WebCrypto's are asynchronous. */
export const webcryptoEngine: SignatureEngine = {
  name: 'webcrypto',
  verify: async (key, scheme, message, signature) => {
    try {
      const imported = await importedKey(key, scheme);
      return await crypto.subtle.verify(verifyParameters(scheme), imported, asOwn(signature), asOwn(message));
    } catch {
      // A key or a scheme that this runtime does not know: nothing was verified.
      return false;
    }
  },
  digest: sha2,
};

/** What `verifySignature` hands down lies in memory that is not shared. */
const asOwn = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;

type ImportedKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** Imported keys by key and by what they are imported for. */
const imported = /* @__PURE__ */ new WeakMap<PublicKey, Map<string, Promise<ImportedKey>>>();

function importedKey(key: PublicKey, scheme: SignatureScheme): Promise<ImportedKey> {
  let uses = imported.get(key);
  if (uses === undefined) {
    uses = new Map();
    imported.set(key, uses);
  }
  const use = key.type === 'ec' ? 'ecdsa' : `${scheme.scheme} ${scheme.hash}`;
  let promise = uses.get(use);
  if (promise === undefined) {
    promise = crypto.subtle.importKey('jwk', jwkOfPublicKey(key), importParameters(key, scheme), false, ['verify']);
    uses.set(use, promise);
  }
  return promise;
}

function importParameters(key: PublicKey, { scheme, hash }: SignatureScheme) {
  if (key.type === 'ec') return { name: 'ECDSA', namedCurve: key.curve };
  return { name: scheme === 'rsa-pss' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash };
}

function verifyParameters(scheme: SignatureScheme) {
  if (scheme.scheme === 'ecdsa') return { name: 'ECDSA', hash: scheme.hash };
  if (scheme.scheme === 'rsa-pss') return { name: 'RSA-PSS', saltLength: scheme.saltLength };
  return { name: 'RSASSA-PKCS1-v1_5' };
}
