import { CheckList } from '../base/checks.js';
import type { Check, VerificationError } from '../base/errors.js';
import { invalid } from '../base/options.js';
import { defaultEngine } from '../engine/choose.js';
import type { RsaDecrypt } from './algorithm.js';
import { type ReleaseAnswer, readAnswer, readBlob, type WrappedKeyBlob } from './answer.js';
import {
  attempt,
  checkAttributes,
  checkKeyId,
  checkOrigin,
  checkWrapping,
  type ReleaseChecks,
} from './check-answer.js';
import { NotUnwrapped, type ReleaseErrorCode, refuseRelease } from './errors.js';
import { MalformedJws, splitJws } from './jws.js';
import { type CheckedReleaseOptions, checkedReleaseOptions, type ReleaseResponseOptions } from './options.js';
import { parseReleasePolicy } from './policy/parse.js';
import { PolicyError, type ReleasePolicy } from './policy/policy.js';
import { type ReleasedPublicKey, releasedPublicKey } from './public-key.js';
import {
  compareKeys,
  importKey,
  type KeyMaterial,
  ReleasedKey,
  type ReleasedKeyFacts,
  WrongKey,
} from './released-key.js';
import type { Secret } from './secret.js';
import { type DecryptTransportKey, lengthProblem, softwareDecrypt, unwrapReleased } from './unwrap.js';

/** A release answer that passed every check that could be made. */
export interface VerifiedRelease extends ReleasedKeyFacts {
  /** Public part of the key; only `kty` for a symmetric one. */
  readonly publicKey: ReleasedPublicKey;
  /** Whether the answer repeats the nonce of the request: if not, it may be an older one about the same key version. */
  readonly nonceEchoed: boolean;
  readonly checks: readonly Check[];
  /** The key itself, where a private wrapping key or `rsaDecrypt` was given; the caller frees it. */
  readonly key?: ReleasedKey;
}

/** Every check of a release answer, and what it says where it can be read. */
export interface ReleaseVerification {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  /** Of an answer that passed. */
  readonly release?: VerifiedRelease;
}

const SUBJECT = 'released-key';

/** What `unwrapReleasedKey` needs of an answer that was verified without its private key. */
const wrappedKeys = new WeakMap<VerifiedRelease, Verified>();

interface Verified {
  readonly facts: ReleasedKeyFacts;
  readonly publicKey: ReleasedPublicKey;
  readonly blob: WrappedKeyBlob;
  readonly nonceEchoed: boolean;
  readonly options: CheckedReleaseOptions;
}

/**
 * Verifies the answer of a vault to a release request, all of it: signature, certificates and host, that it is about the
 * key that was asked for, how and to which key it is wrapped, and, where the private wrapping key is at hand, that what it
 * wraps is the private part of the key that the vault signed.
 *
 * @param value `value` of the answer, a compact JWS
 * @throws VerificationError `ERR_RELEASE_…` ({@link RELEASE_REFUSALS}), with every check
 * @throws AttestationError 8 for wrong options; what `rsaDecrypt` rejects with
 */
export async function verifyReleaseResponse(value: string, options: ReleaseResponseOptions): Promise<VerifiedRelease> {
  const { checks, release } = await explain(value, checkedReleaseOptions('verifyReleaseResponse', options));
  if (release !== undefined) return release;
  throw refusalOf(checks);
}

/** {@link verifyReleaseResponse} that resolves with the list of checks whatever they say. */
export async function explainReleaseResponse(
  value: string,
  options: ReleaseResponseOptions,
): Promise<ReleaseVerification> {
  return explain(value, checkedReleaseOptions('explainReleaseResponse', options));
}

/**
 * {@link verifyReleaseResponse} and {@link unwrapReleasedKey} in one, with a private key in a TPM.
 *
 * @throws as both of them
 */
export async function verifyAndUnwrap(
  value: string,
  options: ReleaseResponseOptions,
  decrypt: DecryptTransportKey,
): Promise<ReleasedKey> {
  const { checks, release } = await explain(value, checkedReleaseOptions('releaseKey', options), decrypt);
  if (release?.key !== undefined) return release.key;
  throw refusalOf(checks);
}

async function explain(
  value: string,
  checked: CheckedReleaseOptions,
  decrypt: DecryptTransportKey | undefined = decryptOf(checked),
): Promise<ReleaseVerification> {
  const checks: ReleaseChecks = new CheckList();
  const verified = await examine(checks, value, checked);
  const key = verified && decrypt && (await unwrap(checks, verified, decrypt));
  if (verified !== undefined && decrypt === undefined) {
    checks.skipped(SUBJECT, 'unwrapped', 'there is no private key to unwrap it with');
    checks.skipped(SUBJECT, 'private key', 'it was not unwrapped');
  }
  if (verified === undefined || !checks.ok) return { ok: false, checks: checks.checks };
  const release = releaseOf(verified, checks.checks, key);
  return { ok: true, checks: release.checks, release };
}

/**
 * Unwraps the key of a verified answer with a private key that is elsewhere, in a TPM for instance, and compares it with
 * the public part that the vault signed.
 *
 * @throws VerificationError `ERR_RELEASE_UNWRAP` or `ERR_RELEASE_KEY`; what `rsaDecrypt` rejects with
 */
export async function unwrapReleasedKey(release: VerifiedRelease, rsaDecrypt: RsaDecrypt): Promise<ReleasedKey> {
  const verified = wrappedKeys.get(release);
  if (verified === undefined) throw invalid('unwrapReleasedKey takes what verifyReleaseResponse returned');
  if (typeof rsaDecrypt !== 'function') throw invalid('rsaDecrypt must be a function');
  if (verified.options.wrappingKey === undefined) throw invalid('the answer was verified without a wrappingKey');
  const checks: ReleaseChecks = new CheckList();
  const key = await unwrap(checks, verified, rsaDecrypt);
  const all = [
    ...release.checks.filter(({ name }) => name !== 'unwrapped' && name !== 'private key'),
    ...checks.checks,
  ];
  if (key === undefined) throw refusalOf(all);
  return new ReleasedKey(verified.facts, key, all);
}

/** Checks 1 to 8, and what can be said of the others without a private key; undefined when one of them failed. */
async function examine(
  checks: ReleaseChecks,
  value: unknown,
  options: CheckedReleaseOptions,
): Promise<Verified | undefined> {
  const jws = attempt(checks, 'answer is a JWS', 'ERR_RELEASE_JWS', () => splitJws(value));
  if (jws === undefined) return undefined;
  await checkOrigin(checks, jws, options, defaultEngine());
  const answer = attempt(checks, 'payload', 'ERR_RELEASE_BLOB', () => readAnswer(jws.payload));
  if (answer === undefined) return undefined;
  const id = checkKeyId(checks, answer, options);
  const blob = attempt(checks, 'wrapped key', 'ERR_RELEASE_BLOB', () => readBlob(answer.jwk));
  checkWrapping(checks, answer, blob, options);
  if (blob !== undefined && options.wrappingKey !== undefined) {
    const problem = lengthProblem(blob.ciphertext, options.wrappingKey.modulusBytes);
    const values = problem === undefined ? {} : { actual: problem };
    checks.add(SUBJECT, 'length of the wrapped key', 'ERR_RELEASE_UNWRAP', problem === undefined, values);
  }
  const publicKey = attempt(checks, 'public key', 'ERR_RELEASE_KEY', () => releasedPublicKey(answer.jwk));
  checkAttributes(checks, answer, options);
  if (!checks.ok || id === undefined || blob === undefined || publicKey === undefined) {
    checks.notChecked(SUBJECT, 'unwrapped', 'an earlier check failed');
    return undefined;
  }
  const facts = factsOf(answer, id, publicKey);
  return { facts, publicKey, blob, nonceEchoed: answer.request.nonce !== undefined, options };
}

function factsOf(
  { jwk, attributes, tags, releasePolicy }: ReleaseAnswer,
  { kid, name, version }: { kid: string; name: string; version: string },
  publicKey: ReleasedPublicKey,
): ReleasedKeyFacts {
  const { key_ops: operations } = jwk;
  const policy = policyOf(releasePolicy);
  return {
    kid,
    keyName: name,
    keyVersion: version,
    keyType: publicKey.kty,
    ...(publicKey.kty === 'EC' && { curve: publicKey.crv }),
    operations: Array.isArray(operations) ? operations.filter((one) => typeof one === 'string') : [],
    attributes,
    ...(tags !== undefined && { tags }),
    ...(policy !== undefined && { releasePolicy: policy }),
  };
}

/** The service has policies that this grammar does not know, and releases by them: no reason to refuse the key. */
function policyOf(encoded: Record<string, unknown> | undefined): ReleasePolicy | undefined {
  if (typeof encoded?.data !== 'string') return undefined;
  try {
    return parseReleasePolicy({ data: encoded.data });
  } catch (error) {
    if (error instanceof PolicyError) return undefined;
    throw error;
  }
}

function decryptOf({ rsaDecrypt, wrappingKey }: CheckedReleaseOptions): RsaDecrypt | undefined {
  if (rsaDecrypt !== undefined) {
    if (wrappingKey === undefined) throw invalid('rsaDecrypt needs the public wrappingKey, too');
    return rsaDecrypt;
  }
  return wrappingKey?.privateKey && softwareDecrypt(wrappingKey.privateKey);
}

/** Checks 9 and 10. */
async function unwrap(
  checks: ReleaseChecks,
  { blob, publicKey, options }: Verified,
  decrypt: DecryptTransportKey,
): Promise<KeyMaterial | undefined> {
  const { algorithm, wrappingKey } = options;
  let secret: Secret | undefined;
  try {
    secret = await unwrapReleased(blob.ciphertext, wrappingKey?.modulusBytes ?? 0, algorithm, decrypt);
    const keyObject = importKey(secret, publicKey.kty);
    checks.add(SUBJECT, 'unwrapped', 'ERR_RELEASE_UNWRAP', true);
    compareKeys(keyObject, publicKey);
    checks.add(SUBJECT, 'private key', 'ERR_RELEASE_KEY', true);
    return { secret, keyObject };
  } catch (error) {
    secret?.destroy();
    const [name, code] = failureOf(error);
    checks.add(SUBJECT, name, code, false, { actual: (error as Error).message });
    return undefined;
  }
}

/** @throws what is not a verdict: a TPM that failed, an abort */
function failureOf(error: unknown): [name: string, code: ReleaseErrorCode] {
  if (error instanceof NotUnwrapped) return ['unwrapped', 'ERR_RELEASE_UNWRAP'];
  if (error instanceof WrongKey || error instanceof MalformedJws) return ['private key', 'ERR_RELEASE_KEY'];
  throw error;
}

function releaseOf(verified: Verified, checks: readonly Check[], material?: KeyMaterial) {
  const { facts, publicKey, nonceEchoed } = verified;
  const release: VerifiedRelease = {
    ...facts,
    publicKey,
    nonceEchoed,
    checks,
    ...(material !== undefined && { key: new ReleasedKey(facts, material, checks) }),
  };
  wrappedKeys.set(release, verified);
  return release;
}

function refusalOf(checks: readonly Check[]): VerificationError {
  const failed = checks.find(({ ok }) => !ok);
  const code = failed?.code ?? 'ERR_RELEASE_JWS';
  const found = failed?.actual === undefined ? '' : `, found ${failed.actual}`;
  const because = failed?.expected === undefined ? failed?.actual : `${failed.name} must be ${failed.expected}${found}`;
  return refuseRelease(code, checks, because ?? failed?.name);
}
