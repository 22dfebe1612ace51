import { constants, createCipheriv, createHash, type KeyObject, publicEncrypt, randomBytes, sign } from 'node:crypto';
import { RELEASE_ALGORITHMS, type ReleaseAlgorithm } from '../../release/algorithm.js';
import * as der from '../pki/der.js';
import type { VaultCertificate } from './pki.js';
import { encodedPolicy, publicMembers, type StoredKey } from './stored-keys.js';

type JsonObject = Record<string, unknown>;

/** A release answer before it is signed, every part of which a fault may change. */
export interface ReleaseDraft {
  flavour: 'vault' | 'managed-hsm';
  key: StoredKey;
  /** `https://VAULT/keys/NAME/VERSION`. */
  kid: string;
  request: JsonObject;
  enc: string;
  /** Hash of OAEP and MGF1. */
  hash: (typeof RELEASE_ALGORITHMS)[ReleaseAlgorithm];
  wrappingKey: { kid: string; publicKey: KeyObject };
  /** What is wrapped: PKCS#8, or the bytes of a symmetric key. */
  plaintext: Buffer;
  transportKey: Buffer;
  wrap: (transportKey: Buffer, plaintext: Buffer) => Buffer;
  ciphertext: (whole: Buffer) => Buffer;
  /** `key_hsm`, encoded. */
  blob: (members: JsonObject, ciphertext: Buffer) => Buffer;
  payload: (payload: JsonObject) => JsonObject;
  certificate: VaultCertificate;
  header: (header: JsonObject) => JsonObject;
  /** Changes the JWS when it is signed. */
  jws: (value: string) => string;
}

const base64url = (value: Uint8Array | JsonObject): string =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');

/** RFC 5649 section 3. */
const KWP_INITIAL_VALUE = Buffer.from('a65959a6', 'hex');

/** The proper answer to a request. */
export function draftRelease(
  parts: Pick<ReleaseDraft, 'flavour' | 'key' | 'kid' | 'request' | 'wrappingKey' | 'certificate'> & {
    enc: ReleaseAlgorithm;
  },
): ReleaseDraft {
  return {
    ...parts,
    hash: RELEASE_ALGORITHMS[parts.enc],
    plaintext: plaintextOf(parts.key.keyObject),
    transportKey: randomBytes(32),
    wrap: (transportKey, plaintext) => aesWrap('id-aes256-wrap-pad', transportKey, KWP_INITIAL_VALUE, plaintext),
    ciphertext: (whole) => whole,
    blob: (members) => Buffer.from(JSON.stringify(members)),
    payload: (payload) => payload,
    header: (header) => header,
    jws: (value) => value,
  };
}

export function aesWrap(algorithm: string, key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, iv);
  return Buffer.concat([cipher.update(plaintext), cipher.final()]);
}

/** EC keys come without their public half, as the service wraps them. */
export function plaintextOf(key: KeyObject): Buffer {
  if (key.type === 'secret') return key.export();
  if (key.asymmetricKeyType !== 'ec') return key.export({ type: 'pkcs8', format: 'der' });
  const { d, crv } = key.export({ format: 'jwk' });
  const curve = {
    'P-256': '1.2.840.10045.3.1.7',
    secp256k1: '1.3.132.0.10',
    'P-384': '1.3.132.0.34',
    'P-521': '1.3.132.0.35',
  };
  const oid = curve[String(crv) as keyof typeof curve];
  return der.sequence(
    der.integer(0),
    der.sequence(der.objectIdentifier('1.2.840.10045.2.1'), der.objectIdentifier(oid)),
    der.octetString(der.sequence(der.integer(1), der.octetString(Buffer.from(String(d), 'base64url')))),
  );
}

/** Wraps and signs: the `value` of the answer. */
export function finishRelease(draft: ReleaseDraft): string {
  const oaepHash = draft.hash.replace('-', '').toLowerCase();
  const { publicKey, kid } = draft.wrappingKey;
  const block = publicEncrypt(
    { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash },
    draft.transportKey,
  );
  const ciphertext = draft.ciphertext(Buffer.concat([block, draft.wrap(draft.transportKey, draft.plaintext)]));
  const members = {
    schema_version: '1.0',
    header: { kid, alg: 'dir', enc: draft.enc },
    ciphertext: base64url(ciphertext),
  };
  const payload = draft.payload(payloadOf(draft, base64url(draft.blob(members, ciphertext))));
  const header = draft.header(headerOf(draft));
  const input = `${base64url(header)}.${base64url(payload)}`;
  return draft.jws(
    `${input}.${sign('sha256', Buffer.from(input), draft.certificate.privateKey).toString('base64url')}`,
  );
}

function payloadOf({ key, kid, request, enc, flavour }: ReleaseDraft, blob: string): JsonObject {
  // Managed HSM leaves the suffix out.
  const kty = flavour === 'vault' ? key.kty : key.kty.replace('-HSM', '');
  const policy = encodedPolicy(key, flavour);
  const { contentType: _, ...bare } = policy ?? { contentType: '' };
  const jwk = { kid, kty, key_ops: key.operations, ...publicMembers(key), key_hsm: blob };
  return {
    request: { ...request, enc },
    response: {
      key: {
        key: jwk,
        attributes: { ...key.attributes, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 },
        ...(key.tags && { tags: key.tags }),
        ...(policy && { release_policy: flavour === 'vault' ? bare : policy }),
      },
    },
  };
}

function headerOf({ certificate, flavour }: ReleaseDraft): JsonObject {
  const { der: leaf } = certificate.certificate;
  const fingerprint = (hash: string): Buffer => createHash(hash).update(leaf).digest();
  const [sha1, sha256] = [fingerprint('sha1'), fingerprint('sha256')];
  const x5c = certificate.chain.map((one) => one.der.toString('base64'));
  if (flavour === 'managed-hsm') {
    const s256 = sha256.toString('base64url');
    return { alg: 'RS256', kid: s256, x5c, 'x5t#S256': s256 };
  }
  return {
    alg: 'RS256',
    kid: sha1.toString('hex').toUpperCase(),
    x5t: sha1.toString('base64url'),
    typ: 'JWT',
    'x5t#S256': sha256.toString('base64url'),
    x5c,
  };
}
