import { parseHclStructure } from '../abi/hcl-report.js';
import { parseRuntimeClaims } from '../abi/runtime-claims.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { hex } from '../base/hex.js';
import { native } from '../native.js';
import { type AttestationKey, checkAkCertificate, checkAttestationKey } from './attestation-key.js';
import { checkEventLog } from './check-event-log.js';
import { CheckList } from './check-list.js';
import { checkQuote } from './check-quote.js';
import { checkEncryptionKey } from './encryption-key.js';
import { type CheckedOptions, checkEvidenceOptions, type VerificationOptions } from './options.js';
import { checkPolicy } from './policy-checks.js';
import type { VerificationResult } from './result.js';
import type { Evidence, EvidenceCertificates, HclReport, RuntimeClaims } from './types.js';
import { assertResult, checkReport, type ReportVerification, resultOf } from './verify-snp-report.js';

const REQUEST_TYPE_AK_CERT = 2;
const USER_DATA_SIZE = 64;

type HclStructure = Omit<HclReport, 'claims'>;

/**
 * Verifies what a guest says about itself, offline: AMD's root, the SNP report, the runtime claims that it binds, the
 * attestation key in them, its quote and PCRs, the event log and the ephemeral key. Resolves with every check, also for
 * evidence that cannot be read; nothing that the evidence holds makes it reject. Nothing is fetched.
 *
 * Without a quote everything is verified that needs none, and the check of the quote says that it was skipped; a `nonce`
 * or a policy on PCRs makes the missing quote a failure.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options, or a shape of `evidence`, that are wrong in
 * themselves.
 */
export async function verifyEvidence(
  evidence: Evidence,
  options: VerificationOptions = {},
): Promise<VerificationResult> {
  const checked = checkEvidenceOptions(options);
  requireShape(evidence);
  // A machine that cannot verify must not look like evidence that is refused.
  native();
  const list = new CheckList();
  const hcl = checkHclReport(list, evidence.hclReport);
  const claims = checkClaims(list, hcl);
  const verified = checkHardwareReport(list, hcl, evidence.certificates, checked);
  if (verified.report !== undefined) checkPolicy(list, checked.policy, verified.report, verified);
  const genuine = verified.report !== undefined && list.ok;
  const bound = checkBinding(list, hcl);
  checkSecureBoot(list, checked, claims);
  const key = checkAttestationKey(list, claims);
  checkAkCertificate(list, evidence.akCertificate, key);
  const more = checkTpm(list, evidence, key, { ...checked, nonce: options.nonce });
  checkUserData(list, options.userData, claims);

  if (hcl !== undefined && claims !== undefined) more.hclReport = { ...hcl, claims };
  if (genuine && bound && claims !== undefined) more.claims = claims;
  if (!list.ok) delete more.encryptionKey;
  return resultOf(list, verified, { ...more, warnings: [...(hcl?.warnings ?? []), ...(more.warnings ?? [])] });
}

/** The same as {@link verifyEvidence}, but rejects with a `VerificationError` unless every check passed. */
export async function assertEvidence(
  evidence: Evidence,
  options: VerificationOptions = {},
): Promise<Extract<VerificationResult, { ok: true }>> {
  return assertResult(await verifyEvidence(evidence, options));
}

function checkHclReport(list: CheckList, bytes: Uint8Array): HclStructure | undefined {
  let hcl: HclStructure;
  try {
    // A copy: what is verified stays what was verified when the caller's buffer changes.
    hcl = parseHclStructure(new Uint8Array(bytes));
  } catch (error) {
    list.add('runtime-data', 'HCL report can be read', 'ERR_HCL_REPORT', false, { actual: messageOf(error) });
    return undefined;
  }
  list.add('runtime-data', 'HCL report can be read', 'ERR_HCL_REPORT', true, {
    actual: `header version ${hcl.headerVersion}`,
  });
  list.equal(
    'runtime-data',
    'HCL request type',
    'ERR_HCL_REPORT',
    String(REQUEST_TYPE_AK_CERT),
    String(hcl.requestType),
  );
  return hcl;
}

function checkClaims(list: CheckList, hcl: HclStructure | undefined): RuntimeClaims | undefined {
  const name = 'runtime claims can be read';
  if (hcl === undefined) {
    list.notChecked('runtime-data', name, 'the HCL report cannot be read');
    return undefined;
  }
  try {
    const claims = parseRuntimeClaims(hcl.variableData);
    list.add('runtime-data', name, 'ERR_RUNTIME_CLAIMS', true, { actual: `${hcl.variableData.length} bytes` });
    return claims;
  } catch (error) {
    list.add('runtime-data', name, 'ERR_RUNTIME_CLAIMS', false, { actual: messageOf(error) });
    return undefined;
  }
}

function checkHardwareReport(
  list: CheckList,
  hcl: HclStructure | undefined,
  certificates: EvidenceCertificates | undefined,
  options: CheckedOptions,
): ReportVerification {
  if (hcl === undefined) {
    list.notChecked('report', 'hardware report', 'the HCL report cannot be read');
    return {};
  }
  if (!list.equal('report', 'hardware report type', 'ERR_REPORT_TYPE', 'snp', hcl.reportType)) {
    list.notChecked('report', 'report signature', 'the hardware report is not one of SEV-SNP');
    return {};
  }
  const others = certificates?.chain ?? [];
  return checkReport(
    list,
    hcl.hardwareReport,
    { leaf: certificates?.vcek, others: typeof others === 'string' ? [others] : others },
    options,
  );
}

function checkBinding(list: CheckList, hcl: HclStructure | undefined): boolean {
  const name = 'report_data binds the runtime data';
  if (hcl === undefined) {
    list.notChecked('runtime-data', name, 'the HCL report cannot be read');
    return false;
  }
  const expected = `${hcl.hashType} of ${hcl.variableData.length} bytes, then zeros`;
  const actual = hcl.reportData === undefined ? 'no report_data' : hex(hcl.reportData);
  return list.add('runtime-data', name, 'ERR_REPORT_DATA_MISMATCH', hcl.bound, { expected, actual });
}

function checkSecureBoot(list: CheckList, { policy }: CheckedOptions, claims: RuntimeClaims | undefined): void {
  if (policy.requireSecureBoot !== true) return;
  const actual = claims?.['vm-configuration']?.['secure-boot'];
  list.add('policy', 'secure boot', 'ERR_POLICY', actual === true, {
    expected: 'true',
    actual: JSON.stringify(actual) ?? 'absent',
  });
}

function checkTpm(
  list: CheckList,
  evidence: Evidence,
  key: AttestationKey | undefined,
  options: CheckedOptions & { nonce: Uint8Array | undefined },
): Partial<Omit<VerificationResult, 'ok' | 'checks' | 'report'>> {
  const quote = checkQuote(list, evidence.quote, key, options);
  const more: Partial<Omit<VerificationResult, 'ok' | 'checks' | 'report'>> = {};
  if (quote.attest !== undefined) more.quote = quote.attest;
  if (quote.pcrs !== undefined) {
    more.pcrs = Object.fromEntries([...quote.pcrs].map(([index, value]) => [index, hex(value)]));
  }
  const eventLog = checkEventLog(list, evidence.eventLog, quote);
  if (eventLog !== undefined) more.eventLog = eventLog;
  const encryptionKey = checkEncryptionKey(list, evidence.ephemeralKey, key, quote);
  if (encryptionKey !== undefined) more.encryptionKey = encryptionKey;
  return more;
}

function checkUserData(list: CheckList, userData: Uint8Array | undefined, claims: RuntimeClaims | undefined): void {
  if (userData === undefined) return;
  const padded = Buffer.alloc(USER_DATA_SIZE);
  padded.set(userData);
  const actual = claims?.['user-data']?.toLowerCase() ?? 'absent';
  list.equal('runtime-data', 'user data', 'ERR_USER_DATA', padded.toString('hex'), actual);
}

// Evidence is plain data from somewhere: what is not even of the right type is the caller's mistake, not a refusal.
function requireShape(evidence: Evidence): void {
  const bytes = (value: unknown): boolean => value instanceof Uint8Array;
  const faults: string[] = [];
  if (typeof evidence !== 'object' || evidence === null) throw shapeError('evidence is an object');
  if (evidence.version !== 1) faults.push('version is 1');
  if (!bytes(evidence.hclReport)) faults.push('hclReport is a Uint8Array');
  const { quote, certificates, akCertificate, eventLog, ephemeralKey } = evidence;
  if (quote === null) faults.push('quote is an object');
  else if (quote !== undefined) {
    if (!bytes(quote.message) || !bytes(quote.signature))
      faults.push('quote.message and quote.signature are Uint8Arrays');
    if (quote.pcrs?.alg !== 'sha256') faults.push("quote.pcrs.alg is 'sha256'");
    const values = quote.pcrs?.values;
    if (typeof values !== 'object' || values === null || !Object.values(values).every(bytes)) {
      faults.push('quote.pcrs.values are Uint8Arrays by PCR index');
    }
  }
  if (akCertificate !== undefined && !bytes(akCertificate)) faults.push('akCertificate is a Uint8Array');
  if (eventLog !== undefined && !bytes(eventLog)) faults.push('eventLog is a Uint8Array');
  if (certificates !== undefined) faults.push(...certificateFaults(certificates));
  if (ephemeralKey === null) faults.push('ephemeralKey is an object');
  else if (ephemeralKey !== undefined) {
    const { publicArea, certifyInfo, certifySignature } = ephemeralKey;
    if (![publicArea, certifyInfo, certifySignature].every(bytes)) faults.push('ephemeralKey holds Uint8Arrays');
  }
  if (faults.length > 0) throw shapeError(faults.join('; '));
}

function certificateFaults(certificates: EvidenceCertificates): string[] {
  const input = (value: unknown): boolean => typeof value === 'string' || value instanceof Uint8Array;
  if (typeof certificates !== 'object' || certificates === null) return ['certificates is an object'];
  const { vcek, chain } = certificates;
  const faults: string[] = [];
  if (!input(vcek)) faults.push('certificates.vcek is a string or a Uint8Array');
  if (chain !== undefined && typeof chain !== 'string' && !(Array.isArray(chain) && chain.every(input))) {
    faults.push('certificates.chain is a string or an array of Uint8Arrays');
  }
  return faults;
}

function shapeError(message: string): AttestationError {
  return new AttestationError(ErrorCode.INVALID_INPUT_PARAMETER, `not evidence: ${message}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
