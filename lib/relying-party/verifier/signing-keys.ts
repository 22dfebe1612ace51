import { constants, createHash, createPrivateKey, KeyObject, type SignKeyObjectInput, sign } from 'node:crypto';
import { promisify } from 'node:util';
import { canonicalJson } from '../../base/canonical-json.js';
import { custom, oneOrMore } from '../../base/option-kinds.js';
import { invalid, type OptionKind } from '../../base/options.js';
import { publicHalf } from '../../node/key-pair.js';

/** A private key that signs results, PEM or KeyObject: P-256, P-384 or RSA of 2048 bits or more. It signs nothing else. */
export type SigningKeyInput = string | KeyObject;

export interface SigningKey {
  privateKey: KeyObject;
  alg: 'ES256' | 'ES384' | 'PS256';
  /** Public, with `kid` (RFC 7638 thumbprint), `alg` and `use`. */
  jwk: Record<string, unknown>;
  kid: string;
  /** The protected header of every result, base64url. */
  header: string;
}

const CURVES: Readonly<Record<string, SigningKey['alg']>> = { prime256v1: 'ES256', secp384r1: 'ES384' };
const MAXIMUM_KEYS = 8;
const RESULT_TYPE = 'ear+jwt';

/** The first signs, all are published: add a new one last, then move it first, then drop the old one. */
export const signingKeys: OptionKind<SigningKey[]> = custom((value, name) => {
  const keys = oneOrMore(custom((key) => signingKey(key, name))).check(value, name);
  if (keys.length > MAXIMUM_KEYS) throw invalid(`${name} must be at most ${MAXIMUM_KEYS} keys`);
  return keys;
});

function signingKey(value: unknown, name: string): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = value instanceof KeyObject ? value : createPrivateKey(value as string);
  } catch (cause) {
    throw invalid(`${name} must be a private key, PEM or KeyObject`, cause);
  }
  if (privateKey.type !== 'private') throw invalid(`${name} must be a private key`);
  const { namedCurve = '', modulusLength = 0 } = privateKey.asymmetricKeyDetails ?? {};
  const isRsa = privateKey.asymmetricKeyType === 'rsa' && modulusLength >= 2048;
  const alg = privateKey.asymmetricKeyType === 'ec' ? CURVES[namedCurve] : isRsa ? 'PS256' : undefined;
  if (alg === undefined) throw invalid(`${name} must be P-256, P-384 or RSA of 2048 bits or more`);
  const jwk = publicHalf(privateKey).export({ format: 'jwk' }) as Record<string, unknown>;
  const { crv, kty, x, y, e, n } = jwk;
  const kid = createHash('sha256')
    .update(canonicalJson(kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }))
    .digest('base64url');
  const header = base64url(JSON.stringify({ alg, kid, typ: RESULT_TYPE }));
  return { privateKey, alg, kid, header, jwk: { ...jwk, kid, alg, use: 'sig' } };
}

/** RFC 7518 sections 3.4 and 3.5. */
const SCHEMES: Readonly<Record<SigningKey['alg'], { digest: string; parameters: Omit<SignKeyObjectInput, 'key'> }>> = {
  ES256: { digest: 'sha256', parameters: { dsaEncoding: 'ieee-p1363' } },
  ES384: { digest: 'sha384', parameters: { dsaEncoding: 'ieee-p1363' } },
  PS256: {
    digest: 'sha256',
    parameters: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
  },
};

const signInThreadPool = promisify(
  (digest: string, data: Buffer, key: SignKeyObjectInput, done: (error: Error | null, signature: Buffer) => void) =>
    sign(digest, data, key, done),
);

/** Signs a result with the first key: JWS compact serialization, RFC 7515 section 3.1. */
export async function signResult(keys: readonly SigningKey[], claims: object): Promise<string> {
  const { privateKey, alg, header } = keys[0] as SigningKey;
  const { digest, parameters } = SCHEMES[alg];
  const input = `${header}.${base64url(JSON.stringify(claims))}`;
  const [data, key] = [Buffer.from(input, 'latin1'), { key: privateKey, ...parameters }];
  // P-256 takes less than the way to another thread and back.
  const signature = alg === 'ES256' ? sign(digest, data, key) : await signInThreadPool(digest, data, key);
  return `${input}.${signature.toString('base64url')}`;
}

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

export function publicKeySet(keys: readonly SigningKey[]): { keys: Record<string, unknown>[] } {
  return { keys: keys.map(({ jwk }) => jwk) };
}
