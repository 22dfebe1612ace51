import { AttestationError, ErrorCode } from '../base/errors.js';
import { parseStrictJson } from '../base/strict-json.js';
import { native } from '../native.js';
import { parsing, plainBytes } from './native-parse.js';
import type { HclReport, HclReportType, RuntimeClaims } from './types.js';

const REPORT_TYPES: readonly HclReportType[] = ['invalid', 'vbs', 'snp', 'tvm', 'tdx'];
const HASH_TYPES = [undefined, 'sha256', 'sha384', 'sha512'] as const;

/**
 * Decodes an HCL attestation report as read from NV index 0x01400001, zero padding allowed. `bound` says whether the
 * hardware report binds the claims; nothing else is verified, so the claims are still the sender's word.
 *
 * @throws {AttestationError} `HCL_REPORT_EMPTY` (21) for no bytes or an index that was never written,
 * `HCL_REPORT_PARSING_FAILURE` (20) for anything malformed.
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  const report = parseHclStructure(bytes);
  return { ...report, claims: parseRuntimeClaims(report.variableData) };
}

/** The report without a look into its claims. */
export function parseHclStructure(bytes: Uint8Array): Omit<HclReport, 'claims'> {
  const raw = plainBytes(bytes);
  const parsed = parsing(() => native().parseHclReport(raw));
  const report: Omit<HclReport, 'claims'> = {
    headerVersion: parsed.headerVersion,
    reportSize: parsed.reportSize,
    requestType: parsed.requestType,
    status: parsed.status,
    reportType: REPORT_TYPES[parsed.reportType] as HclReportType,
    hashType: HASH_TYPES[parsed.hashType] as HclReport['hashType'],
    hardwareReport: raw.subarray(...parsed.hardwareReport),
    variableData: raw.subarray(...parsed.variableData),
    bound: parsed.bound,
    warnings: [],
  };
  if (parsed.reportData !== undefined) report.reportData = raw.subarray(...parsed.reportData);
  if (parsed.capabilities !== undefined) report.capabilities = parsed.capabilities;
  if (parsed.status !== 0) report.warnings.push(`the HCL header's status is ${parsed.status}`);
  if (!parsed.headerReservedZero) report.warnings.push("the HCL header's reserved bytes are not zero");
  if (!parsed.paddingZero) report.warnings.push('the padding of the HCL report is not zero');
  return report;
}

/**
 * The runtime claims as JSON: UTF-8, no doubled member name, `keys` a list of RSA keys.
 *
 * @throws {AttestationError} `HCL_REPORT_PARSING_FAILURE` (20).
 */
export function parseRuntimeClaims(bytes: Uint8Array): RuntimeClaims {
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (cause) {
    throw refused(cause instanceof Error ? cause.message : 'not JSON', cause);
  }
  if (!isObject(value)) throw refused('not an object');
  const { keys } = value;
  if (!Array.isArray(keys)) throw refused('no keys');
  for (const key of keys) {
    if (!isObject(key) || typeof key.kid !== 'string' || typeof key.kty !== 'string') throw refused('a malformed key');
    if (typeof key.n !== 'string' || typeof key.e !== 'string') throw refused('a key without modulus or exponent');
  }
  const configuration = value['vm-configuration'];
  if (configuration !== undefined && !isObject(configuration)) throw refused('a malformed vm-configuration');
  const userData = value['user-data'];
  if (userData !== undefined && !(typeof userData === 'string' && /^[0-9a-fA-F]{0,128}$/.test(userData))) {
    throw refused('user-data that is not at most 128 hex digits');
  }
  return value as RuntimeClaims;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refused(why: string, cause?: unknown): AttestationError {
  return new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, `the runtime claims are refused: ${why}`, {
    cause,
  });
}
