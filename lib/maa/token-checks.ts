import { createHash, timingSafeEqual } from 'node:crypto';
import { type Check, VerificationError } from '../errors.js';
import { isJsonObject } from './strict-json.js';
import { TOKEN_REFUSALS, type TokenErrorCode } from './token-errors.js';
import type { MinimumSvn, NormalisedPolicy } from './token-policy.js';

type JsonObject = Record<string, unknown>;

/** When a token is looked at, in seconds since 1970, and how far the two clocks may differ. */
export interface TimeRules {
  now: number;
  tolerance: number;
  maxTokenAge: number | undefined;
}

const NOTHING: JsonObject = Object.freeze({});
/** Claims that say that something in a guest's boot may be debugged. */
const BOOT_DEBUG_CLAIMS = [
  'x-ms-azurevm-bootdebug-enabled',
  'x-ms-azurevm-kerneldebug-enabled',
  'x-ms-azurevm-hypervisordebug-enabled',
] as const;

/** Every check of a token's claims, made one after the other whatever the earlier ones found. */
class ClaimChecks {
  readonly list: Check[] = [];
  failed: (Check & { code: string }) | undefined;

  check(code: TokenErrorCode, name: string, ok: boolean, expected?: string, actual?: string): void {
    const check: Check = { name, ok };
    if (expected !== undefined) check.expected = expected;
    if (actual !== undefined) check.actual = actual;
    if (!ok) {
      check.code = code;
      this.failed ??= { ...check, code };
    }
    this.list.push(check);
  }

  /** `actual` is shown; whatever else a claim holds is not. */
  equal(code: TokenErrorCode, name: string, expected: string | number | boolean, actual: unknown): void {
    this.check(code, name, actual === expected, String(expected), show(actual));
  }

  throwIfFailed(): void {
    if (this.failed === undefined) return;
    const { code, expected, actual } = this.failed;
    const values = expected === undefined ? '' : ` (expected ${expected}, found ${actual ?? 'something else'})`;
    const sentence = TOKEN_REFUSALS[code as TokenErrorCode].slice(0, -1);
    throw new VerificationError(code, `${sentence}${values}.`, this.list);
  }
}

/** Checks the claims of a token whose signature and issuer are already known to be right. Throws VerificationError. */
export function checkClaims(claims: JsonObject, policy: NormalisedPolicy, time: TimeRules): void {
  const checks = new ClaimChecks();
  checkTimes(checks, claims, time);
  const guest = claims['x-ms-attestation-type'] === 'azurevm';
  // Where the hardware's claims are: nested in a guest token, at top level in a platform token.
  const tee = guest ? object(claims['x-ms-isolation-tee']) : claims;
  const configuration = object(object(tee['x-ms-runtime'])['vm-configuration']);
  checkType(checks, claims, tee, policy);
  checkState(checks, claims, tee, configuration, guest, policy);
  checkFreshness(checks, claims, guest, policy);
  checkIdentity(checks, claims, tee, configuration, guest, policy);
  for (const [component, minimum] of policy.minimumSvn) checkSvn(checks, tee, component, minimum);
  checks.throwIfFailed();
}

function checkTimes(checks: ClaimChecks, claims: JsonObject, { now, tolerance, maxTokenAge }: TimeRules): void {
  const { exp, nbf, iat } = claims;
  const numeric = isTime(exp) && (nbf === undefined || isTime(nbf)) && (iat === undefined || isTime(iat));
  checks.check('ERR_TOKEN_TIME_CLAIM', 'exp, nbf and iat are numbers', numeric);
  const at = `at ${now}, ${tolerance} s tolerated`;
  if (isTime(exp))
    checks.check('ERR_TOKEN_EXPIRED', 'not expired', exp + tolerance > now, `exp after ${at}`, show(exp));
  if (isTime(nbf)) {
    checks.check('ERR_TOKEN_NOT_YET_VALID', 'already valid', nbf - tolerance <= now, `nbf not after ${at}`, show(nbf));
  }
  if (isTime(iat)) {
    const name = 'issued in the past';
    checks.check('ERR_TOKEN_ISSUED_IN_FUTURE', name, iat - tolerance <= now, `iat not after ${at}`, show(iat));
  }
  if (maxTokenAge !== undefined) {
    const young = isTime(iat) && now - iat <= maxTokenAge + tolerance;
    checks.check('ERR_TOKEN_TOO_OLD', 'young enough', young, `issued within ${maxTokenAge} s ${at}`, show(iat));
  }
}

function checkType(checks: ClaimChecks, claims: JsonObject, tee: JsonObject, policy: NormalisedPolicy): void {
  const type = claims['x-ms-attestation-type'];
  const accepted = policy.attestationTypes;
  const name = 'attestation type';
  const known = typeof type === 'string' && accepted.includes(type);
  checks.check('ERR_TOKEN_ATTESTATION_TYPE', name, known, accepted.join(' or '), show(type));
  checks.equal('ERR_TOKEN_ISOLATION', 'SEV-SNP isolation', 'sevsnpvm', tee['x-ms-attestation-type']);
}

function checkState(
  checks: ClaimChecks,
  claims: JsonObject,
  tee: JsonObject,
  configuration: JsonObject,
  guest: boolean,
  policy: NormalisedPolicy,
): void {
  if (policy.requireCompliance) {
    const status = tee['x-ms-compliance-status'];
    checks.equal('ERR_TOKEN_COMPLIANCE', 'compliance status', 'azure-compliant-cvm', status);
  }
  if (!policy.allowDebug) {
    checks.equal('ERR_TOKEN_DEBUG', 'guest policy forbids debugging', false, tee['x-ms-sevsnpvm-is-debuggable']);
    for (const claim of guest ? BOOT_DEBUG_CLAIMS : []) {
      // Absent is fine: the service leaves out what does not exist in the guest's boot.
      if (claims[claim] !== undefined) checks.equal('ERR_TOKEN_DEBUG', claim, false, claims[claim]);
    }
  }
  if (!policy.allowMigration) {
    const allowed = tee['x-ms-sevsnpvm-migration-allowed'];
    checks.equal('ERR_TOKEN_MIGRATION', 'guest policy forbids migration', false, allowed);
  }
  checks.equal('ERR_TOKEN_VMPL', 'VMPL', 0, tee['x-ms-sevsnpvm-vmpl']);
  if (policy.requireSecureBoot) {
    checks.equal('ERR_TOKEN_SECURE_BOOT', 'secure boot configured', true, configuration['secure-boot']);
    if (guest) checks.equal('ERR_TOKEN_SECURE_BOOT', 'secure boot measured', true, claims.secureboot);
  }
  if (policy.requireTpm) checks.equal('ERR_TOKEN_TPM', 'TPM enabled', true, configuration['tpm-enabled']);
}

function checkFreshness(checks: ClaimChecks, claims: JsonObject, guest: boolean, policy: NormalisedPolicy): void {
  const payload = object(object(claims['x-ms-runtime'])['client-payload']);
  if (policy.nonce !== undefined) {
    const actual = guest ? decoded(own(payload, 'nonce') ?? own(payload, 'Nonce')) : claims.nonce;
    checks.check('ERR_TOKEN_NONCE', 'nonce', sameText(actual, policy.nonce));
  }
  for (const [name, value] of policy.clientPayload) {
    const actual = guest ? decoded(own(payload, name)) : undefined;
    checks.check('ERR_TOKEN_CLIENT_PAYLOAD', `client payload ${JSON.stringify(name)}`, sameText(actual, value));
  }
}

function checkIdentity(
  checks: ClaimChecks,
  claims: JsonObject,
  tee: JsonObject,
  configuration: JsonObject,
  guest: boolean,
  policy: NormalisedPolicy,
): void {
  const oneOf = (code: TokenErrorCode, name: string, accepted: readonly string[] | undefined, actual: unknown) => {
    if (accepted === undefined) return;
    const ok = typeof actual === 'string' && accepted.includes(actual);
    checks.check(code, name, ok, accepted.join(' or '), show(actual));
  };
  const hex = (claim: string) => lowerCase(tee[claim]);
  oneOf('ERR_TOKEN_POLICY_HASH', 'policy hash', policy.policyHashes, claims['x-ms-policy-hash']);
  if (policy.vmId !== undefined) {
    const ids = [configuration.vmUniqueId];
    // The guest token names the machine twice: by the AK's certificate and by the HCL. One of them may be absent,
    // both must be right.
    if (guest) ids.unshift(claims['x-ms-azurevm-vmid']);
    const named = ids.filter((id) => id !== undefined).map(lowerCase);
    const ok = named.length > 0 && named.every((id) => id === policy.vmId);
    checks.check('ERR_TOKEN_VM_ID', 'VM id', ok, policy.vmId, named.map(show).join(', ') || 'none');
  }
  const { launchMeasurements, hostData, idKeyDigests } = policy;
  const measured = hex('x-ms-sevsnpvm-launchmeasurement');
  oneOf('ERR_TOKEN_LAUNCH_MEASUREMENT', 'launch measurement', launchMeasurements, measured);
  oneOf('ERR_TOKEN_HOST_DATA', 'host data', hostData, hex('x-ms-sevsnpvm-hostdata'));
  oneOf('ERR_TOKEN_ID_KEY', 'ID key digest', idKeyDigests, hex('x-ms-sevsnpvm-idkeydigest'));
}

function checkSvn(checks: ClaimChecks, tee: JsonObject, component: keyof MinimumSvn, minimum: number): void {
  // The guest's own claim has no hyphen, the others do.
  const svn = tee[component === 'guest' ? 'x-ms-sevsnpvm-guestsvn' : `x-ms-sevsnpvm-${component}-svn`];
  const ok = typeof svn === 'number' && Number.isSafeInteger(svn) && svn >= minimum;
  checks.check('ERR_TOKEN_SVN', `${component} SVN`, ok, `at least ${minimum}`, show(svn));
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function object(value: unknown): JsonObject {
  return isJsonObject(value) ? value : NOTHING;
}

function own(from: JsonObject, name: string): unknown {
  return Object.hasOwn(from, name) ? from[name] : undefined;
}

function lowerCase(value: unknown): unknown {
  return typeof value === 'string' ? value.toLowerCase() : value;
}

/** Text behind a client payload's value, which the service returns in base64; undefined when it is not base64. */
function decoded(value: unknown): Buffer | undefined {
  if (typeof value !== 'string') return undefined;
  const bytes = Buffer.from(value, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === value.replace(/=+$/, '') ? bytes : undefined;
}

/** Compares in a time that does not depend on where the two differ. */
function sameText(actual: unknown, expected: string): boolean {
  if (typeof actual !== 'string' && !Buffer.isBuffer(actual)) return false;
  return timingSafeEqual(digest(actual), digest(expected));
}

function digest(text: string | Buffer): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A claim's value for a message: scalars, cut short. */
function show(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = typeof value === 'string' ? value : String(value);
  return text.length > 128 ? `${text.slice(0, 128)}…` : text;
}
