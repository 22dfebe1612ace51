import { sha2 } from '../base/sha2.js';
import type { PublicKey, SignatureEngine, SignatureScheme } from './engine.js';
import { jwkOfPublicKey } from './public-key.js';

/** WebCrypto, which every current runtime has. Digests are this package's own, since WebCrypto's are asynchronous. */
export const webcryptoEngine: SignatureEngine = {
  name: 'webcrypto',
  verify: async (key, scheme, message, signature) => {
    try {
      const parameters = { name: NAMES[scheme.scheme], namedCurve: key.type === 'ec' ? key.curve : '', ...scheme };
      const imported = await importedKey(key, parameters);
      return await crypto.subtle.verify(parameters, imported, asOwn(signature), asOwn(message));
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

/** For import and verification: each reads of them what it knows. */
type Parameters = SignatureScheme & { readonly name: string; readonly namedCurve: string };

const NAMES = { ecdsa: 'ECDSA', 'rsa-pss': 'RSA-PSS', 'rsa-pkcs1': 'RSASSA-PKCS1-v1_5' } as const;

function importedKey(key: PublicKey, parameters: Parameters): Promise<ImportedKey> {
  let uses = imported.get(key);
  if (uses === undefined) {
    uses = new Map();
    imported.set(key, uses);
  }
  const use = `${parameters.name} ${parameters.hash}`;
  let promise = uses.get(use);
  if (promise === undefined) {
    promise = crypto.subtle.importKey('jwk', jwkOfPublicKey(key), parameters, false, ['verify']);
    uses.set(use, promise);
  }
  return promise;
}
