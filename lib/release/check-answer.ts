import type { Certificate } from '../abi/x509.js';
import { type AlternativeNames, alternativeNames } from '../abi/x509-extensions.js';
import type { CheckList } from '../base/checks.js';
import { AttestationError } from '../base/errors.js';
import type { SignatureEngine } from '../engine/engine.js';
import { usableKey } from '../engine/public-key.js';
import { verifySignature } from '../engine/verify-signature.js';
import { isForHost } from '../verify/host-name.js';
import { constraintsProblem } from '../verify/name-constraints.js';
import { findPath, SERVER_AUTHENTICATION } from '../verify/path.js';
import type { ReleaseAnswer, WrappedKeyBlob } from './answer.js';
import type { ReleaseErrorCode } from './errors.js';
import { type CertifiedJws, certificatesOf, JWS_ALGORITHMS, type JwsAlgorithm, MalformedJws, schemeOf } from './jws.js';
import type { CheckedReleaseOptions } from './options.js';

export type ReleaseChecks = CheckList<ReleaseErrorCode>;

const SUBJECT = 'released-key';

/** Adds a check that passes when `read` returns, and fails with its reason when it throws {@link MalformedJws}. */
export function attempt<T>(checks: ReleaseChecks, name: string, code: ReleaseErrorCode, read: () => T): T | undefined {
  try {
    const result = read();
    checks.add(SUBJECT, name, code, true);
    return result;
  } catch (error) {
    if (!(error instanceof MalformedJws)) throw error;
    checks.add(SUBJECT, name, code, false, { actual: error.message });
    return undefined;
  }
}

/** Who signed the answer: algorithm, certificates, path, host and signature (checks 2 to 6). */
export async function checkOrigin(
  checks: ReleaseChecks,
  jws: CertifiedJws,
  options: CheckedReleaseOptions,
  engine: SignatureEngine,
): Promise<void> {
  const { alg, crit, b64 } = jws.header;
  const allowed = options.signatureAlgorithms;
  const algorithm = JWS_ALGORITHMS.find((known) => known === alg && allowed.includes(known));
  checks.add(SUBJECT, 'signature algorithm', 'ERR_RELEASE_JWS', algorithm !== undefined, {
    expected: [...allowed],
    actual: alg,
  });
  const extended = crit !== undefined || b64 !== undefined;
  checks.add(SUBJECT, 'no critical header extension', 'ERR_RELEASE_JWS', !extended);
  const certificates = attempt(checks, 'certificates of the answer', 'ERR_RELEASE_JWS', () => certificatesOf(jws));
  if (certificates === undefined) {
    for (const name of ['certificate path', 'certificate is for the vault', 'signature']) {
      checks.notChecked(SUBJECT, name, 'there is no certificate');
    }
    return;
  }
  await checkCertificates(checks, certificates, options, engine);
  await checkSignature(checks, jws, certificates[0], algorithm, engine);
}

async function checkCertificates(
  checks: ReleaseChecks,
  [leaf, ...others]: [Certificate, ...Certificate[]],
  { now, roots, vault }: CheckedReleaseOptions,
  engine: SignatureEngine,
): Promise<void> {
  const verdict = await findPath(engine, leaf, others, {
    roots: roots(),
    now,
    usage: SERVER_AUTHENTICATION,
    constraints: constraintsProblem,
  });
  const [found, actual] =
    'path' in verdict ? [true, verdict.path.map(({ subject }) => subject.text).join(' < ')] : [false, verdict.problem];
  checks.add(SUBJECT, 'certificate path', 'ERR_RELEASE_CHAIN', found, { actual });
  const names = readableNames(leaf);
  checks.add(SUBJECT, 'certificate is for the vault', 'ERR_RELEASE_CHAIN', isForHost(names, vault.hostname), {
    expected: vault.hostname,
    actual: names === undefined ? 'no alternative names that can be read' : names.dns.slice(0, 8).join(', '),
  });
}

function readableNames(leaf: Certificate): AlternativeNames | undefined {
  try {
    return alternativeNames(leaf);
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}

async function checkSignature(
  checks: ReleaseChecks,
  { signed, signature }: CertifiedJws,
  leaf: Certificate,
  algorithm: JwsAlgorithm | undefined,
  engine: SignatureEngine,
): Promise<void> {
  const key = leaf.publicKey && usableKey(leaf.publicKey);
  const isRsa = checks.add(SUBJECT, "certificate's key", 'ERR_RELEASE_JWS', key?.type === 'rsa', {
    expected: 'RSA of 2048 bits or more',
    actual: key?.type ?? 'none that is usable',
  });
  if (!isRsa || key === undefined || algorithm === undefined) {
    checks.notChecked(SUBJECT, 'signature', 'there is no key or no algorithm to verify it with');
    return;
  }
  const good = await verifySignature(engine, key, schemeOf(algorithm), signed, signature);
  checks.add(SUBJECT, 'signature', 'ERR_RELEASE_SIGNATURE', good);
}

/** What the key is called (check 7): the certificate is a wildcard, any vault of any tenant has a validly signed answer. */
export function checkKeyId(
  checks: ReleaseChecks,
  { jwk }: ReleaseAnswer,
  { vault, keyName, keyVersion }: CheckedReleaseOptions,
): { kid: string; name: string; version: string } | undefined {
  const code = 'ERR_RELEASE_KID';
  const id = keyIdOf(jwk.kid);
  if (
    !checks.add(SUBJECT, 'key id', code, id !== undefined, { actual: id?.kid ?? 'not https://VAULT/keys/NAME/VERSION' })
  ) {
    for (const name of ['vault', 'key name', 'key version']) checks.notChecked(SUBJECT, name, 'there is no key id');
    return undefined;
  }
  if (id === undefined) return undefined;
  checks.equal(SUBJECT, 'vault', code, vault.host, id.host);
  if (keyName === undefined) checks.skipped(SUBJECT, 'key name', 'no name was asked for');
  // Key Vault compares names without case, and answers with the case of the key.
  else
    checks.add(SUBJECT, 'key name', code, id.name.toLowerCase() === keyName.toLowerCase(), {
      expected: keyName,
      actual: id.name,
    });
  if (keyVersion === undefined) checks.skipped(SUBJECT, 'key version', 'no version was asked for');
  else checks.equal(SUBJECT, 'key version', code, keyVersion, id.version);
  return id;
}

function keyIdOf(kid: unknown) {
  if (typeof kid !== 'string' || kid.length > 1024 || !URL.canParse(kid)) return undefined;
  const { protocol, host, pathname, search, hash, username, password } = new URL(kid);
  const path = /^\/keys\/([0-9A-Za-z-]{1,127})\/([0-9A-Za-z]{1,64})$/.exec(pathname);
  if (protocol !== 'https:' || path === null || `${search}${hash}${username}${password}` !== '') return undefined;
  return { kid, host, name: path[1] ?? '', version: path[2] ?? '' };
}

/** How the key is wrapped, to which key, and for which request (check 8). */
export function checkWrapping(
  checks: ReleaseChecks,
  { request }: ReleaseAnswer,
  blob: WrappedKeyBlob | undefined,
  options: CheckedReleaseOptions,
): void {
  const { algorithm, wrappingKey } = options;
  checks.equal(SUBJECT, 'algorithm of the request', 'ERR_RELEASE_ENC', algorithm, request.enc);
  if (blob === undefined) {
    for (const name of ['algorithm of the wrapped key', 'wrapped directly', 'wrapping key']) {
      checks.notChecked(SUBJECT, name, 'there is no wrapped key');
    }
  } else {
    checks.equal(SUBJECT, 'algorithm of the wrapped key', 'ERR_RELEASE_ENC', algorithm, blob.enc);
    checks.equal(SUBJECT, 'wrapped directly', 'ERR_RELEASE_BLOB', 'dir', blob.alg);
    if (wrappingKey === undefined) checks.skipped(SUBJECT, 'wrapping key', 'no wrapping key was given');
    else checks.equal(SUBJECT, 'wrapping key', 'ERR_RELEASE_BLOB', wrappingKey.kid, blob.kid);
  }
  checkNonce(checks, request.nonce, options);
}

function checkNonce(checks: ReleaseChecks, found: unknown, { nonce, requireNonceEcho }: CheckedReleaseOptions): void {
  if (found !== undefined) {
    // Not shown: whoever reads the checks must not be able to answer for the vault.
    checks.add(SUBJECT, 'nonce', 'ERR_RELEASE_NONCE', found === nonce);
  } else if (requireNonceEcho) {
    checks.add(SUBJECT, 'nonce', 'ERR_RELEASE_NONCE', false, { actual: 'the answer has none' });
  } else {
    checks.skipped(SUBJECT, 'nonce', 'the answer has none, so it may be an older one about the same key version');
  }
}

/** Whether the key may be used, by what the vault signed about it (part of check 10). */
export function checkAttributes(
  checks: ReleaseChecks,
  { attributes }: ReleaseAnswer,
  { now, clockTolerance }: CheckedReleaseOptions,
): void {
  const { enabled, exportable, nbf, exp } = attributes;
  const code = 'ERR_RELEASE_KEY';
  checks.add(SUBJECT, 'key is enabled', code, enabled === undefined || enabled === true);
  checks.add(SUBJECT, 'key is exportable', code, exportable === undefined || exportable === true);
  const seconds = now.getTime() / 1000;
  checks.add(SUBJECT, 'key is valid already', code, nbf === undefined || isBefore(nbf, seconds + clockTolerance), {
    actual: nbf,
  });
  checks.add(SUBJECT, 'key is valid still', code, exp === undefined || isBefore(seconds - clockTolerance, exp), {
    actual: exp,
  });
}

const isBefore = (one: unknown, other: unknown): boolean =>
  typeof one === 'number' && typeof other === 'number' && one <= other;
