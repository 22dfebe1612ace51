import { encodeBase64 } from '../base/base64url.js';
import { equalTexts, utf8Bytes } from '../base/bytes.js';
import { isJsonObject } from '../base/strict-json.js';
import { checkTdx } from './checks-tdx.js';
import { checkWindows } from './checks-windows.js';
import type { Tee } from './claims.js';
import type { MinimumSvn, TokenPolicy } from './policy.js';
import { type JsonObject, lowerCase, own, type TokenChecks } from './token-checks.js';

/** When a token is looked at, in seconds since 1970, and how far the two clocks may differ. */
export interface TimeRules {
  now: number;
  tolerance: number;
  maxTokenAge: number | undefined;
}

const TEE_CLAIMS: Readonly<Record<Tee, string>> = { snp: 'sevsnpvm', tdx: 'tdxvm' };
/** Claims that say that something in a guest's boot may be debugged. */
const BOOT_DEBUG_CLAIMS = [
  'x-ms-azurevm-bootdebug-enabled',
  'x-ms-azurevm-kerneldebug-enabled',
  'x-ms-azurevm-hypervisordebug-enabled',
] as const;

/** A token's claims, and where in them its kind has the others. */
interface TokenParts {
  /** Whether it is a guest's token, by the TPM, and not the platform's, by the hardware report alone. */
  guest: boolean;
  claims: JsonObject;
  /** The hardware's claims: nested in a guest token, at top level in a platform token. */
  hardware: JsonObject;
  /** What the HCL says of the machine. */
  configuration: JsonObject;
}

function partsOf(claims: JsonObject): TokenParts {
  const guest = claims['x-ms-attestation-type'] === 'azurevm';
  const hardware = guest ? object(claims['x-ms-isolation-tee']) : claims;
  return { guest, claims, hardware, configuration: object(object(hardware['x-ms-runtime'])['vm-configuration']) };
}

/** Makes every check of a token's claims, one after the other whatever the earlier ones found. */
export function checkClaims(
  checks: TokenChecks,
  claims: JsonObject,
  { policy, tees, time }: { policy: TokenPolicy; tees: readonly Tee[]; time: TimeRules },
): void {
  checkTimes(checks, claims, time);
  const token = partsOf(claims);
  const { guest, hardware } = token;
  const { attestationType = ['azurevm'] } = policy;
  const hardwareType = hardware['x-ms-attestation-type'];
  checks.claim('attestation type', 'ERR_TOKEN_ATTESTATION_TYPE', attestationType, claims['x-ms-attestation-type']);
  const isolation = tees.map((one) => TEE_CLAIMS[one]);
  checks.claim('isolation', 'ERR_TOKEN_ISOLATION', isolation, hardwareType);
  checkState(checks, token, policy);
  checkFreshness(checks, token, policy);
  checkIdentity(checks, token, policy);
  // A machine that is neither is refused above; what one TEE alone has is checked on that one.
  if (hardwareType === TEE_CLAIMS.tdx) checkTdx(checks, hardware, policy);
  else checkSnp(checks, hardware, policy);
  if (policy.windows !== undefined) checkWindows(checks, guest ? claims : {}, policy.windows);
}

function checkTimes(checks: TokenChecks, { exp, nbf, iat }: JsonObject, time: TimeRules): void {
  const { now, tolerance, maxTokenAge } = time;
  const isNumeric = isTime(exp) && (!isGiven(nbf) || isTime(nbf)) && (!isGiven(iat) || isTime(iat));
  checks.found('exp, nbf and iat are numbers', 'ERR_TOKEN_TIME_CLAIM', isNumeric);
  const earliest = now - tolerance;
  const expected = now + tolerance;
  if (isTime(exp)) {
    checks.found('not expired (exp)', 'ERR_TOKEN_EXPIRED', exp > earliest, { expected: earliest, actual: exp });
  }
  if (isTime(nbf)) {
    checks.found('already valid (nbf)', 'ERR_TOKEN_NOT_YET_VALID', nbf <= expected, { expected, actual: nbf });
  }
  if (isTime(iat)) {
    checks.found('issued in the past (iat)', 'ERR_TOKEN_ISSUED_IN_FUTURE', iat <= expected, { expected, actual: iat });
  }
  if (maxTokenAge !== undefined) {
    const oldest = earliest - maxTokenAge;
    const ok = isTime(iat) && iat >= oldest;
    checks.found('iat is not earlier than', 'ERR_TOKEN_TOO_OLD', ok, { expected: oldest, actual: iat });
  }
}

function checkState(checks: TokenChecks, token: TokenParts, policy: TokenPolicy): void {
  const { guest, claims, hardware, configuration } = token;
  const { requireCompliance = true, requireSecureBoot, requireTpm, allowDebug } = policy;
  const compliant = requireCompliance ? 'azure-compliant-cvm' : undefined;
  checks.claim('compliance status', 'ERR_TOKEN_COMPLIANCE', compliant, hardware['x-ms-compliance-status']);
  for (const name of guest && !allowDebug ? BOOT_DEBUG_CLAIMS : []) {
    // Absent is fine: the service leaves out what does not exist in the guest's boot.
    if (claims[name] !== undefined) checks.claim(name, 'ERR_TOKEN_DEBUG', false, claims[name]);
  }
  const secure = requireSecureBoot || undefined;
  checks.claim('secure boot configured', 'ERR_TOKEN_SECURE_BOOT', secure, configuration['secure-boot']);
  if (guest) checks.claim('secure boot measured', 'ERR_TOKEN_SECURE_BOOT', secure, claims.secureboot);
  checks.claim('TPM enabled', 'ERR_TOKEN_TPM', requireTpm || undefined, configuration['tpm-enabled']);
}

function checkFreshness(checks: TokenChecks, { guest, claims }: TokenParts, policy: TokenPolicy): void {
  const { nonce, clientPayload = {} } = policy;
  const payload = guest ? object(object(claims['x-ms-runtime'])['client-payload']) : {};
  if (nonce !== undefined) {
    const ok = guest
      ? sameText(own(payload, 'nonce') ?? own(payload, 'Nonce'), base64(nonce))
      : sameText(claims.nonce, nonce);
    checks.found('nonce', 'ERR_TOKEN_NONCE', ok);
  }
  for (const [name, value] of Object.entries(clientPayload)) {
    const ok = sameText(own(payload, name), base64(value));
    checks.found(`client payload ${JSON.stringify(name)}`, 'ERR_TOKEN_CLIENT_PAYLOAD', ok);
  }
}

function checkIdentity(checks: TokenChecks, token: TokenParts, policy: TokenPolicy): void {
  const { guest, claims, configuration } = token;
  checks.claim('policy hash', 'ERR_TOKEN_POLICY_HASH', policy.policyHash, claims['x-ms-policy-hash']);
  const vmId = policy.vmId?.toLowerCase();
  if (vmId === undefined) return;
  // The guest token names the machine twice: by the AK's certificate and by the HCL. One of them may be absent, both must
  // be right.
  const named = [guest ? claims['x-ms-azurevm-vmid'] : undefined, configuration.vmUniqueId].filter(isGiven);
  for (const id of named.length === 0 ? [undefined] : named) {
    checks.claim('VM id', 'ERR_TOKEN_VM_ID', vmId, lowerCase(id));
  }
}

function checkSnp(checks: TokenChecks, hardware: JsonObject, policy: TokenPolicy): void {
  const { allowDebug, allowMigration, launchMeasurement, hostData, idKeyDigest, minimumSvn = {} } = policy;
  const debugging = allowDebug ? undefined : false;
  const migration = allowMigration ? undefined : false;
  const measurement = lowerCase(hardware['x-ms-sevsnpvm-launchmeasurement']);
  const debuggable = hardware['x-ms-sevsnpvm-is-debuggable'];
  const movable = hardware['x-ms-sevsnpvm-migration-allowed'];
  checks.claim('guest policy forbids debugging', 'ERR_TOKEN_DEBUG', debugging, debuggable);
  checks.claim('guest policy forbids migration', 'ERR_TOKEN_MIGRATION', migration, movable);
  checks.claim('VMPL', 'ERR_TOKEN_VMPL', 0, hardware['x-ms-sevsnpvm-vmpl']);
  checks.claim('launch measurement', 'ERR_TOKEN_LAUNCH_MEASUREMENT', launchMeasurement, measurement);
  checks.claim('host data', 'ERR_TOKEN_HOST_DATA', hostData, lowerCase(hardware['x-ms-sevsnpvm-hostdata']));
  checks.claim('ID key digest', 'ERR_TOKEN_ID_KEY', idKeyDigest, lowerCase(hardware['x-ms-sevsnpvm-idkeydigest']));
  for (const [component, expected] of Object.entries(minimumSvn satisfies MinimumSvn)) {
    // The guest's own claim has no hyphen, the others do.
    const actual = hardware[`x-ms-sevsnpvm-${component === 'guest' ? 'guestsvn' : `${component}-svn`}`];
    const ok = Number.isSafeInteger(actual) && (actual as number) >= expected;
    checks.found(`${component} SVN is at least`, 'ERR_TOKEN_SVN', ok, { expected, actual });
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function object(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** As the service returns the values of a client payload. */
function base64(text: string): string {
  return encodeBase64(utf8Bytes(text));
}

/** Compares in a time that does not depend on where two texts of one length differ. */
function sameText(actual: unknown, expected: string): boolean {
  return typeof actual === 'string' && equalTexts(actual, expected);
}
