import { timingSafeEqual } from 'node:crypto';
import { type Check, VerificationError } from '../base/errors.js';
import { isJsonObject } from '../base/strict-json.js';
import { TOKEN_REFUSALS, type TokenErrorCode } from './errors.js';
import type { MinimumSvn, NormalisedPolicy } from './policy.js';

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

/** One check as it was made; put into words only when the token is refused. */
interface Finding {
  code: TokenErrorCode;
  name: string;
  ok: boolean;
  expected?: unknown;
  actual?: unknown;
}

/** Every check of a token's claims, made one after the other whatever the earlier ones found. */
class ClaimChecks {
  readonly #findings: Finding[] = [];

  /** For values that must not be shown. */
  check(code: TokenErrorCode, name: string, ok: boolean): void {
    this.#findings.push({ code, name, ok });
  }

  compare(code: TokenErrorCode, name: string, ok: boolean, expected: unknown, actual: unknown): void {
    this.#findings.push({ code, name, ok, expected, actual });
  }

  equal(code: TokenErrorCode, name: string, expected: string | number | boolean, actual: unknown): void {
    this.compare(code, name, actual === expected, expected, actual);
  }

  oneOf(code: TokenErrorCode, name: string, expected: readonly string[], actual: unknown): void {
    this.compare(code, name, typeof actual === 'string' && expected.includes(actual), expected, actual);
  }

  /** The first failure, with the list of all checks; undefined when there was none. */
  refusal(): VerificationError | undefined {
    const failed = this.#findings.find(({ ok }) => !ok);
    if (failed === undefined) return undefined;
    const { code, expected, actual } = inWords(failed);
    const values = expected === undefined ? '' : ` (expected ${expected}, found ${actual})`;
    const message = `${TOKEN_REFUSALS[failed.code].slice(0, -1)}${values}.`;
    return new VerificationError(code ?? failed.code, message, this.inWords());
  }

  inWords(): Check[] {
    return this.#findings.map(inWords);
  }
}

function inWords({ code, name, ok, expected, actual }: Finding): Check {
  const check: Check = { name, ok };
  if (!ok) check.code = code;
  if (expected !== undefined) {
    check.expected = Array.isArray(expected) ? expected.join(' or ') : String(expected);
    check.actual = show(actual);
  }
  return check;
}

/** What is wrong with the claims of a token, signature and issuer apart; undefined when nothing is. */
export function checkClaims(
  claims: JsonObject,
  policy: NormalisedPolicy,
  time: TimeRules,
): VerificationError | undefined {
  return examine(claims, policy, time).refusal();
}

/** Every check of {@link checkClaims} in words, passed or failed. */
export function explainClaims(claims: JsonObject, policy: NormalisedPolicy, time: TimeRules): Check[] {
  return examine(claims, policy, time).inWords();
}

/** A token's claims, and where in them its kind has the others. */
interface TokenParts {
  /** Whether it is a guest's token, by the TPM, and not the platform's, by the hardware report alone. */
  guest: boolean;
  claims: JsonObject;
  /** The hardware's claims: nested in a guest token, at top level in a platform token. */
  tee: JsonObject;
  /** What the HCL says of the machine. */
  configuration: JsonObject;
}

function partsOf(claims: JsonObject): TokenParts {
  const guest = claims['x-ms-attestation-type'] === 'azurevm';
  const tee = guest ? object(claims['x-ms-isolation-tee']) : claims;
  return { guest, claims, tee, configuration: object(object(tee['x-ms-runtime'])['vm-configuration']) };
}

function examine(claims: JsonObject, policy: NormalisedPolicy, time: TimeRules): ClaimChecks {
  const checks = new ClaimChecks();
  checkTimes(checks, claims, time);
  const token = partsOf(claims);
  checkType(checks, token, policy);
  checkState(checks, token, policy);
  checkFreshness(checks, token, policy);
  checkIdentity(checks, token, policy);
  for (const [component, minimum] of policy.minimumSvn) checkSvn(checks, token, component, minimum);
  return checks;
}

function checkTimes(checks: ClaimChecks, claims: JsonObject, { now, tolerance, maxTokenAge }: TimeRules): void {
  const { exp, nbf, iat } = claims;
  const numeric = isTime(exp) && (nbf === undefined || isTime(nbf)) && (iat === undefined || isTime(iat));
  checks.check('ERR_TOKEN_TIME_CLAIM', 'exp, nbf and iat are numbers', numeric);
  const earliest = now - tolerance;
  const latest = now + tolerance;
  if (isTime(exp)) checks.compare('ERR_TOKEN_EXPIRED', 'not expired (exp)', exp > earliest, earliest, exp);
  if (isTime(nbf)) checks.compare('ERR_TOKEN_NOT_YET_VALID', 'already valid (nbf)', nbf <= latest, latest, nbf);
  if (isTime(iat)) checks.compare('ERR_TOKEN_ISSUED_IN_FUTURE', 'issued in the past (iat)', iat <= latest, latest, iat);
  if (maxTokenAge !== undefined) {
    const oldest = earliest - maxTokenAge;
    checks.compare('ERR_TOKEN_TOO_OLD', 'iat is not earlier than', isTime(iat) && iat >= oldest, oldest, iat);
  }
}

function checkType(checks: ClaimChecks, { claims, tee }: TokenParts, policy: NormalisedPolicy): void {
  const type = claims['x-ms-attestation-type'];
  checks.oneOf('ERR_TOKEN_ATTESTATION_TYPE', 'attestation type', policy.attestationTypes, type);
  checks.equal('ERR_TOKEN_ISOLATION', 'SEV-SNP isolation', 'sevsnpvm', tee['x-ms-attestation-type']);
}

function checkState(checks: ClaimChecks, token: TokenParts, policy: NormalisedPolicy): void {
  const { guest, claims, tee, configuration } = token;
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

function checkFreshness(checks: ClaimChecks, { guest, claims }: TokenParts, policy: NormalisedPolicy): void {
  const payload = guest ? object(object(claims['x-ms-runtime'])['client-payload']) : NOTHING;
  if (policy.nonce !== undefined) {
    const ok = guest
      ? sameText(own(payload, 'nonce') ?? own(payload, 'Nonce'), base64(policy.nonce))
      : sameText(claims.nonce, policy.nonce);
    checks.check('ERR_TOKEN_NONCE', 'nonce', ok);
  }
  for (const [name, value] of policy.clientPayload) {
    const ok = sameText(own(payload, name), base64(value));
    checks.check('ERR_TOKEN_CLIENT_PAYLOAD', `client payload ${JSON.stringify(name)}`, ok);
  }
}

function checkIdentity(checks: ClaimChecks, token: TokenParts, policy: NormalisedPolicy): void {
  const { guest, claims, tee, configuration } = token;
  const { policyHashes, launchMeasurements, hostData, idKeyDigests } = policy;
  const hex = (claim: string) => lowerCase(tee[claim]);
  if (policyHashes !== undefined) {
    checks.oneOf('ERR_TOKEN_POLICY_HASH', 'policy hash', policyHashes, claims['x-ms-policy-hash']);
  }
  if (policy.vmId !== undefined) {
    const ids = [configuration.vmUniqueId];
    // The guest token names the machine twice: by the AK's certificate and by the HCL. One of them may be absent,
    // both must be right.
    if (guest) ids.unshift(claims['x-ms-azurevm-vmid']);
    const named = ids.filter((id) => id !== undefined).map(lowerCase);
    const ok = named.length > 0 && named.every((id) => id === policy.vmId);
    checks.compare('ERR_TOKEN_VM_ID', 'VM id', ok, policy.vmId, named.map(show).join(', ') || undefined);
  }
  if (launchMeasurements !== undefined) {
    const measured = hex('x-ms-sevsnpvm-launchmeasurement');
    checks.oneOf('ERR_TOKEN_LAUNCH_MEASUREMENT', 'launch measurement', launchMeasurements, measured);
  }
  if (hostData !== undefined) {
    checks.oneOf('ERR_TOKEN_HOST_DATA', 'host data', hostData, hex('x-ms-sevsnpvm-hostdata'));
  }
  if (idKeyDigests !== undefined) {
    checks.oneOf('ERR_TOKEN_ID_KEY', 'ID key digest', idKeyDigests, hex('x-ms-sevsnpvm-idkeydigest'));
  }
}

function checkSvn(checks: ClaimChecks, { tee }: TokenParts, component: keyof MinimumSvn, minimum: number): void {
  // The guest's own claim has no hyphen, the others do.
  const svn = tee[component === 'guest' ? 'x-ms-sevsnpvm-guestsvn' : `x-ms-sevsnpvm-${component}-svn`];
  const ok = typeof svn === 'number' && Number.isSafeInteger(svn) && svn >= minimum;
  checks.compare('ERR_TOKEN_SVN', `${component} SVN is at least`, ok, minimum, svn);
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

/** As the service returns the values of a client payload. */
function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Compares in a time that does not depend on where two texts of one length differ. */
function sameText(actual: unknown, expected: string): boolean {
  if (typeof actual !== 'string') return false;
  const [bytes, wanted] = [Buffer.from(actual), Buffer.from(expected)];
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted);
}

/** A claim's value for a message: scalars, cut short. */
function show(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object';
  const text = typeof value === 'string' ? value : String(value);
  return text.length > 128 ? `${text.slice(0, 128)}…` : text;
}
