import { encodeBase64 } from '../base/base64url.js';
import { equalTexts, utf8Bytes } from '../base/bytes.js';
import { isJsonObject } from '../base/strict-json.js';
import { checkTdx } from './checks-tdx.js';
import { checkWindows } from './checks-windows.js';
import type { Tee } from './claims.js';
import type { TokenChecks, TokenErrorCode } from './errors.js';
import type { MinimumSvn, NormalizedPolicy } from './policy.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** When a token is looked at, in seconds since 1970, and how far the two clocks may differ. */
export interface TimeRules {
  now: number;
  tolerance: number;
  maxTokenAge: number | undefined;
}

const NOTHING: JsonObject = /* @__PURE__ */ Object.freeze({});
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
  /** What the hardware's claims say that it is; undefined for anything else. */
  tee: Tee | undefined;
  /** What the HCL says of the machine. */
  configuration: JsonObject;
}

function partsOf(claims: JsonObject): TokenParts {
  const guest = claims['x-ms-attestation-type'] === 'azurevm';
  const hardware = guest ? object(claims['x-ms-isolation-tee']) : claims;
  const type = hardware['x-ms-attestation-type'];
  const tee = type === TEE_CLAIMS.snp ? 'snp' : type === TEE_CLAIMS.tdx ? 'tdx' : undefined;
  return { guest, claims, hardware, tee, configuration: object(object(hardware['x-ms-runtime'])['vm-configuration']) };
}

/** Makes every check of a token's claims, one after the other whatever the earlier ones found. */
export function checkClaims(checks: TokenChecks, claims: JsonObject, policy: NormalizedPolicy, time: TimeRules): void {
  checkTimes(checks, claims, time);
  const token = partsOf(claims);
  checkType(checks, token, policy);
  checkState(checks, token, policy);
  checkFreshness(checks, token, policy);
  checkIdentity(checks, token, policy);
  // A machine that is neither is refused above; what one TEE alone has is checked on that one.
  if (token.tee === 'tdx') checkTdx(checks, token.hardware, policy);
  else checkSnp(checks, token.hardware, policy);
  if (policy.windows !== undefined) checkWindows(checks, token.guest ? claims : NOTHING, policy.windows);
}

function checkTimes(checks: TokenChecks, claims: JsonObject, { now, tolerance, maxTokenAge }: TimeRules): void {
  const { exp, nbf, iat } = claims;
  const numeric = isTime(exp) && (nbf === undefined || isTime(nbf)) && (iat === undefined || isTime(iat));
  checks.add(undefined, 'exp, nbf and iat are numbers', 'ERR_TOKEN_TIME_CLAIM', numeric);
  const compare = (name: string, code: TokenErrorCode, ok: boolean, expected: number, actual: unknown): void => {
    checks.add(undefined, name, code, ok, { expected, actual });
  };
  const earliest = now - tolerance;
  const latest = now + tolerance;
  if (isTime(exp)) compare('not expired (exp)', 'ERR_TOKEN_EXPIRED', exp > earliest, earliest, exp);
  if (isTime(nbf)) compare('already valid (nbf)', 'ERR_TOKEN_NOT_YET_VALID', nbf <= latest, latest, nbf);
  if (isTime(iat)) compare('issued in the past (iat)', 'ERR_TOKEN_ISSUED_IN_FUTURE', iat <= latest, latest, iat);
  if (maxTokenAge !== undefined) {
    const oldest = earliest - maxTokenAge;
    compare('iat is not earlier than', 'ERR_TOKEN_TOO_OLD', isTime(iat) && iat >= oldest, oldest, iat);
  }
}

function checkType(checks: TokenChecks, { claims, hardware, tee }: TokenParts, policy: NormalizedPolicy): void {
  const type = claims['x-ms-attestation-type'];
  checks.oneOf(undefined, 'attestation type', 'ERR_TOKEN_ATTESTATION_TYPE', policy.attestationTypes, type);
  checks.add(undefined, 'isolation', 'ERR_TOKEN_ISOLATION', tee !== undefined && policy.tees.includes(tee), {
    expected: policy.tees.map((one) => TEE_CLAIMS[one]),
    actual: hardware['x-ms-attestation-type'],
  });
}

function checkState(checks: TokenChecks, token: TokenParts, policy: NormalizedPolicy): void {
  const { guest, claims, hardware, configuration } = token;
  const equal = (name: string, code: TokenErrorCode, expected: string | boolean, actual: unknown): void => {
    checks.equal(undefined, name, code, expected, actual);
  };
  if (policy.requireCompliance) {
    equal('compliance status', 'ERR_TOKEN_COMPLIANCE', 'azure-compliant-cvm', hardware['x-ms-compliance-status']);
  }
  if (!policy.allowDebug) {
    for (const claim of guest ? BOOT_DEBUG_CLAIMS : []) {
      // Absent is fine: the service leaves out what does not exist in the guest's boot.
      if (claims[claim] !== undefined) equal(claim, 'ERR_TOKEN_DEBUG', false, claims[claim]);
    }
  }
  if (policy.requireSecureBoot) {
    equal('secure boot configured', 'ERR_TOKEN_SECURE_BOOT', true, configuration['secure-boot']);
    if (guest) equal('secure boot measured', 'ERR_TOKEN_SECURE_BOOT', true, claims.secureboot);
  }
  if (policy.requireTpm) equal('TPM enabled', 'ERR_TOKEN_TPM', true, configuration['tpm-enabled']);
}

function checkFreshness(checks: TokenChecks, { guest, claims }: TokenParts, policy: NormalizedPolicy): void {
  const payload = guest ? object(object(claims['x-ms-runtime'])['client-payload']) : NOTHING;
  if (policy.nonce !== undefined) {
    const ok = guest
      ? sameText(own(payload, 'nonce') ?? own(payload, 'Nonce'), base64(policy.nonce))
      : sameText(claims.nonce, policy.nonce);
    checks.add(undefined, 'nonce', 'ERR_TOKEN_NONCE', ok);
  }
  for (const [name, value] of policy.clientPayload) {
    const ok = sameText(own(payload, name), base64(value));
    checks.add(undefined, `client payload ${JSON.stringify(name)}`, 'ERR_TOKEN_CLIENT_PAYLOAD', ok);
  }
}

function checkIdentity(checks: TokenChecks, token: TokenParts, policy: NormalizedPolicy): void {
  const { guest, claims, configuration } = token;
  const { policyHashes, vmId } = policy;
  if (policyHashes !== undefined) {
    checks.oneOf(undefined, 'policy hash', 'ERR_TOKEN_POLICY_HASH', policyHashes, claims['x-ms-policy-hash']);
  }
  if (vmId !== undefined) {
    const ids = [configuration.vmUniqueId];
    // The guest token names the machine twice: by the AK's certificate and by the HCL. One of them may be absent,
    // both must be right.
    if (guest) ids.unshift(claims['x-ms-azurevm-vmid']);
    const named = ids.filter((id) => id !== undefined).map(lowerCase);
    const ok = named.length > 0 && named.every((id) => id === vmId);
    checks.add(undefined, 'VM id', 'ERR_TOKEN_VM_ID', ok, {
      expected: vmId,
      actual: named.length === 0 ? undefined : named.map((id) => (typeof id === 'string' ? id : typeof id)).join(', '),
    });
  }
}

function checkSnp(checks: TokenChecks, hardware: JsonObject, policy: NormalizedPolicy): void {
  const { launchMeasurements, hostData, idKeyDigests } = policy;
  const hex = (claim: string): unknown => lowerCase(hardware[`x-ms-sevsnpvm-${claim}`]);
  if (!policy.allowDebug) {
    const debuggable = hardware['x-ms-sevsnpvm-is-debuggable'];
    checks.equal(undefined, 'guest policy forbids debugging', 'ERR_TOKEN_DEBUG', false, debuggable);
  }
  if (!policy.allowMigration) {
    const allowed = hardware['x-ms-sevsnpvm-migration-allowed'];
    checks.equal(undefined, 'guest policy forbids migration', 'ERR_TOKEN_MIGRATION', false, allowed);
  }
  checks.equal(undefined, 'VMPL', 'ERR_TOKEN_VMPL', 0, hardware['x-ms-sevsnpvm-vmpl']);
  if (launchMeasurements !== undefined) {
    const measured = hex('launchmeasurement');
    checks.oneOf(undefined, 'launch measurement', 'ERR_TOKEN_LAUNCH_MEASUREMENT', launchMeasurements, measured);
  }
  if (hostData !== undefined) checks.oneOf(undefined, 'host data', 'ERR_TOKEN_HOST_DATA', hostData, hex('hostdata'));
  if (idKeyDigests !== undefined) {
    checks.oneOf(undefined, 'ID key digest', 'ERR_TOKEN_ID_KEY', idKeyDigests, hex('idkeydigest'));
  }
  for (const [component, minimum] of policy.minimumSvn) checkSvn(checks, hardware, component, minimum);
}

function checkSvn(checks: TokenChecks, hardware: JsonObject, component: keyof MinimumSvn, minimum: number): void {
  // The guest's own claim has no hyphen, the others do.
  const svn = hardware[component === 'guest' ? 'x-ms-sevsnpvm-guestsvn' : `x-ms-sevsnpvm-${component}-svn`];
  const ok = typeof svn === 'number' && Number.isSafeInteger(svn) && svn >= minimum;
  checks.add(undefined, `${component} SVN is at least`, 'ERR_TOKEN_SVN', ok, { expected: minimum, actual: svn });
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
  return encodeBase64(utf8Bytes(text));
}

/** Compares in a time that does not depend on where two texts of one length differ. */
function sameText(actual: unknown, expected: string): boolean {
  return typeof actual === 'string' && equalTexts(actual, expected);
}
