import type { Evidence } from '../abi/evidence.js';
import { type HclStructure, parseHclStructure } from '../abi/hcl-report.js';
import { parseRuntimeClaims, type RuntimeClaims } from '../abi/runtime-claims.js';
import { withChecks } from '../base/checks.js';
import { hex } from '../base/hex.js';
import type { VerificationContext } from '../engine/context.js';
import type { SignatureEngine } from '../engine/engine.js';
import { checkAkCertificate } from './ak-certificate.js';
import { type AttestationKey, checkAttestationKey } from './attestation-key.js';
import { CheckList } from './check-codes.js';
import { checkEventLog } from './check-event-log.js';
import { checkGuestPolicy, checkPcrAnchor, checkTeePolicy, checkUserData } from './check-guest.js';
import { checkQuote } from './check-quote.js';
import { copyEvidence } from './copy.js';
import { checkEncryptionKey } from './encryption-key.js';
import { checkHardware } from './hardware.js';
import { type CheckedEvidenceOptions, checkEvidenceOptions, type VerificationOptions } from './options.js';
import { checkParavisor } from './paravisor.js';
import { refusalOf } from './refusal.js';
import {
  type EvidenceFacts,
  factsOf,
  type Unlisted,
  type VerificationResult,
  type VerifiedEvidence,
} from './result.js';

const REQUEST_TYPE_AK_CERT = 2;

/**
 * Verifies what a guest says about itself, offline: the hardware vendor's root, the hardware report, the paravisor that it
 * is of, the runtime claims that it binds, the attestation key in them, its quote and PCRs, the event log and the ephemeral
 * key. Nothing is fetched.
 *
 * Without a quote everything is verified that needs none, and the check of the quote says that it was skipped; a `nonce`
 * or a policy on PCRs makes the missing quote a failure.
 *
 * @throws {VerificationError} unless every check is good: `checks` lists all of them.
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options, or a shape of `evidence`, that are wrong in
 * themselves.
 */
export async function verifyEvidenceIn(
  context: VerificationContext,
  evidence: Evidence,
  options: VerificationOptions = {},
): Promise<VerifiedEvidence> {
  return accepted(await explain(context, evidence, checkEvidenceOptions('verifyEvidence', options)));
}

/**
 * The same, but resolves with every check whatever its outcome, also for evidence that cannot be read: `ok` says whether
 * all are good.
 *
 * @throws {AttestationError} `INVALID_INPUT_PARAMETER` (8) for options, or a shape of `evidence`, that are wrong in
 * themselves.
 */
export async function explainEvidenceIn(
  context: VerificationContext,
  evidence: Evidence,
  options: VerificationOptions = {},
): Promise<VerificationResult> {
  return explain(context, evidence, checkEvidenceOptions('explainEvidence', options));
}

/** {@link verifyEvidenceIn} of a protocol of this package: the quote is over its context, which callers cannot name. */
export async function verifyProtocolEvidence(
  context: VerificationContext,
  protocol: string,
  evidence: Evidence,
  options: VerificationOptions & { nonce: Uint8Array },
): Promise<VerifiedEvidence> {
  return accepted(await explain(context, evidence, checkEvidenceOptions('verifyEvidence', options, protocol)));
}

function accepted(result: VerificationResult): VerifiedEvidence {
  if (!result.ok) throw refusalOf(result.checks);
  return result;
}

async function explain(
  context: VerificationContext,
  evidence: Evidence,
  options: CheckedEvidenceOptions,
): Promise<VerificationResult> {
  const { result, list } = await judgeEvidence(context, evidence, options);
  return withChecks(result, list);
}

/** {@link explainEvidenceIn} with options that have been checked, and with checks that nobody has put into words. */
export async function judgeEvidence(
  { engine }: VerificationContext,
  given: Evidence,
  options: CheckedEvidenceOptions,
): Promise<{ result: Unlisted<VerificationResult>; list: CheckList }> {
  const evidence = copyEvidence(given);
  const { policy } = options;
  const list = new CheckList();
  const hcl = checkHclReport(engine, list, evidence.hclReport);
  const claims = checkClaims(list, hcl);
  const hardware = await checkHardware(engine, list, hcl, evidence, options);
  checkTeePolicy(list, policy, hardware.tee);
  const identified = checkParavisor(list, policy, hardware.paravisor);
  const bound = checkBinding(list, hcl);
  const proven = list.ok && identified && bound;
  const key = checkAttestationKey(list, claims);
  const facts: Unlisted<EvidenceFacts> = {
    engine: engine.name,
    reportFresh: checkUserData(list, evidence, options, claims),
    warnings: [...(hcl?.warnings ?? []), ...hardware.warnings],
  };
  if (hcl !== undefined && claims !== undefined) facts.hclReport = { claims, ...hcl };
  if (proven && claims !== undefined) facts.claims = claims;
  if (hardware.paravisor?.identifiedBy !== undefined) facts.paravisor = hardware.paravisor.identifiedBy;
  if (policy.allowUnidentifiedParavisor === true && facts.paravisor === undefined) {
    facts.warnings.push('the paravisor is not identified: claims, keys and PCRs may be invented by the guest');
  }
  await checkTpm(engine, list, evidence, key, options, facts);
  if (evidence.quote !== undefined) checkPcrAnchor(list, policy, hardware.tee);
  checkGuestPolicy(list, policy, claims, facts);

  if (!list.ok) {
    delete facts.encryptionKey;
    facts.reportFresh = false;
  }
  return { result: hardware.result(facts, list.ok), list };
}

function checkHclReport(engine: SignatureEngine, list: CheckList, bytes: Uint8Array): HclStructure | undefined {
  const hcl = list.read('runtime-data', 'HCL report can be read', 'ERR_HCL_REPORT', () =>
    parseHclStructure(bytes, (hash, data) => engine.digest(hash, data)),
  );
  if (hcl === undefined) return undefined;
  list.add('runtime-data', 'HCL report can be read', 'ERR_HCL_REPORT', true, {
    actual: `header version ${hcl.headerVersion}`,
  });
  list.equal('runtime-data', 'HCL request type', 'ERR_HCL_REPORT', REQUEST_TYPE_AK_CERT, hcl.requestType);
  return hcl;
}

function checkClaims(list: CheckList, hcl: HclStructure | undefined): RuntimeClaims | undefined {
  const name = 'runtime claims can be read';
  if (hcl === undefined) {
    list.notChecked('runtime-data', name, 'the HCL report cannot be read');
    return undefined;
  }
  const { variableData } = hcl;
  const claims = list.read('runtime-data', name, 'ERR_RUNTIME_CLAIMS', () => parseRuntimeClaims(variableData));
  if (claims === undefined) return undefined;
  list.add('runtime-data', name, 'ERR_RUNTIME_CLAIMS', true, { actual: `${variableData.length} bytes` });
  return claims;
}

function checkBinding(list: CheckList, hcl: HclStructure | undefined): boolean {
  const name = 'report_data binds the runtime data';
  if (hcl === undefined) {
    list.notChecked('runtime-data', name, 'the HCL report cannot be read');
    return false;
  }
  return list.add('runtime-data', name, 'ERR_REPORT_DATA_MISMATCH', hcl.bound, {
    expected: () => `${hcl.hashType} of ${hcl.variableData.length} bytes, then zeros`,
    actual: hcl.reportData ?? 'no report_data',
  });
}

/** What the vTPM says: with the key that the hardware report binds. */
async function checkTpm(
  engine: SignatureEngine,
  list: CheckList,
  evidence: Evidence,
  key: AttestationKey | undefined,
  options: CheckedEvidenceOptions,
  facts: Unlisted<EvidenceFacts>,
): Promise<void> {
  const { policy, anchors, now } = options;
  const { certificate, warnings } = await checkAkCertificate(engine, list, key, {
    certificate: evidence.akCertificate,
    chain: evidence.akCertificateChain ?? [],
    required: policy.requireAkCertificate === true,
    anchors,
    now,
  });
  if (certificate !== undefined) facts.akCertificate = factsOf(certificate);
  facts.warnings.push(...warnings);
  const quote = await checkQuote(engine, list, evidence.quote, key, options);
  if (quote.attest !== undefined) facts.quote = quote.attest;
  if (quote.pcrs !== undefined) {
    const pcrs: NonNullable<EvidenceFacts['pcrs']> = {};
    quote.pcrs.forEach((value, index) => {
      pcrs[index] = hex(value);
    });
    facts.pcrs = pcrs;
  }
  const eventLog = checkEventLog(list, evidence.eventLog, quote, policy, (hash, data) => engine.digest(hash, data));
  if (eventLog !== undefined) facts.eventLog = eventLog;
  const encryptionKey = await checkEncryptionKey(engine, list, evidence.ephemeralKey, key, quote);
  if (encryptionKey !== undefined) facts.encryptionKey = encryptionKey;
}
