import type { Evidence } from '../abi/evidence.js';
import { parseHclStructure } from '../abi/hcl-report.js';
import type { SnpReport } from '../abi/snp-report-fields.js';
import { equalBytes, isZero } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import { checkArgument, invalid, readArguments } from '../base/options.js';
import { plainJson } from '../base/plain-json.js';
import { copyEvidence } from './copy.js';
import { parsePolicy, type VerificationPolicy } from './policy.js';
import type { VerifiedEvidence, VerifiedSnpEvidence } from './result.js';
import { tdxDemands } from './tdx/learn-policy.js';

/**
 * PCRs that machines of one image and size share: firmware, boot loaders and kernels, Secure Boot. 1 and 5 hold
 * configuration and the disk's GUIDs, later ones what operating systems measure.
 */
const SHARED_PCRS = [0, 2, 3, 4, 6, 7];

/**
 * What a good machine shows, as a policy that demands it of others: its firmware by measurement and ID key, or by MRTD, the levels that
 * it has as the least ones, its PCRs 0, 2, 3, 4, 6 and 7 as far as they are quoted, Secure Boot as it is. The machine's own
 * identity (`vmIds`, `chipId`) is left to the caller. The evidence passes the policy that is made of it. Of a machine whose
 * paravisor is not identified neither measurement nor PCRs are taken: naming them would say that it has one.
 *
 * @param result what `verifyEvidence` resolved with for this evidence
 * @throws {AttestationError} 8 for a result that is refused, or of other evidence.
 */
export function policyFromEvidence(evidence: Evidence, result: VerifiedEvidence): VerificationPolicy {
  return readArguments('policyFromEvidence', () => learned(evidence, result));
}

function learned(evidence: Evidence, result: VerifiedEvidence): VerificationPolicy {
  if (typeof result !== 'object' || result === null || result.ok !== true) {
    throw invalid('policyFromEvidence takes what verifyEvidence resolved with');
  }
  const { hardwareReport } = parseHclStructure(copyEvidence(evidence).hclReport);
  const shown = result.hclReport?.hardwareReport;
  if (shown === undefined || !equalBytes(shown, hardwareReport)) throw invalid('the result is of other evidence');
  return parsePolicy({ tees: [result.tee], ...hardwareDemands(result), ...guestDemands(result) });
}

function hardwareDemands(result: VerifiedEvidence): VerificationPolicy {
  switch (result.tee) {
    case 'snp':
      return snpDemands(result);
    case 'tdx':
      return tdxDemands(result);
  }
}

function snpDemands({ report, product, paravisor, certificates }: VerifiedSnpEvidence): VerificationPolicy {
  const { reportedTcb, platformInfo, currentMajor, currentMinor, currentBuild } = report;
  const demands: VerificationPolicy = {
    allowedProducts: [product],
    minimumGuestSvn: report.guestSvn,
    minimumTcb: { [product]: { ...reportedTcb } },
    ...lifted(report),
  };
  // A measurement that a policy names identifies a paravisor: it must have been known for one before.
  if (paravisor !== undefined) {
    demands.measurement = hex(report.measurement);
    if (!isZero(report.idKeyDigest)) demands.trustedIdKeyHashes = [hex(report.idKeyDigest)];
  }
  if (certificates.vcek.cspId !== undefined) demands.cspIds = [certificates.vcek.cspId];
  if (platformInfo.aliasCheckComplete) demands.platformInfo = { aliasCheckComplete: true };
  if (currentMajor !== undefined) {
    demands.minimumVersion = `${currentMajor}.${currentMinor}`;
    demands.minimumBuild = currentBuild as number;
  }
  return demands;
}

/** Refusals that the machine itself needs lifted: they were lifted when it was verified. */
function lifted({ policy, vmpl, signingKey }: SnpReport): VerificationPolicy {
  const demands: VerificationPolicy = {};
  if (policy.debug) demands.allowDebug = true;
  if (policy.migrateMa) demands.allowMigration = true;
  if (vmpl !== 0) demands.vmpl = vmpl;
  if (signingKey !== 0) demands.allowVlek = true;
  return demands;
}

function guestDemands({ pcrs, eventLog, claims, paravisor }: VerifiedEvidence): VerificationPolicy {
  // Of an unidentified paravisor PCRs and Secure Boot prove nothing.
  if (paravisor === undefined) return { allowUnidentifiedParavisor: true };
  const demands: VerificationPolicy = {};
  const shared = SHARED_PCRS.flatMap((index) => {
    const value = pcrs?.[index];
    return value === undefined ? [] : [[String(index), value] as const];
  });
  if (pcrs !== undefined) demands.requireQuote = true;
  if (shared.length > 0) demands.pcrs = Object.fromEntries(shared);
  if (eventLog?.secureBoot === true) demands.requireSecureBoot = true;
  else if (claims?.['vm-configuration']?.['secure-boot'] === true) demands.requireSecureBoot = 'configured';
  return demands;
}

/** One member that two policies do not agree on. */
export interface PolicyDifference {
  /** For instance `minimumTcb.Milan.microcode` or `pcrs.7`. */
  member: string;
  /** Absent where the first policy says nothing. */
  before?: unknown;
  /** Absent where the second policy says nothing. */
  after?: unknown;
}

/**
 * What changed from one policy to another, member by member: what an update of a machine changed, when both were learned
 * from it. Case of hex digits, the order of a list, and one value or a list of it alone make no difference.
 *
 * @throws {AttestationError} 8 for what is not a policy.
 */
export function diffPolicy(before: VerificationPolicy, after: VerificationPolicy): PolicyDifference[] {
  const left = leaves(parsePolicy(before));
  const right = leaves(parsePolicy(after));
  const members = [...new Set([...left.keys(), ...right.keys()])].sort();
  return members.flatMap((member) => {
    const [one, other] = [left.get(member), right.get(member)];
    if (comparable(member, one) === comparable(member, other)) return [];
    return [
      { member, ...(one === undefined ? {} : { before: one }), ...(other === undefined ? {} : { after: other }) },
    ];
  });
}

function leaves(policy: object, path = '', found = new Map<string, unknown>()): Map<string, unknown> {
  for (const [name, value] of Object.entries(policy)) {
    if (name === '$schema') continue;
    const member = path === '' ? name : `${path}.${name}`;
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) leaves(value, member, found);
    else found.set(member, checkArgument('diffPolicy', member, value, { check: plainJson }));
  }
  return found;
}

/** Lists that are not sets: a value by place. */
const BY_PLACE: ReadonlySet<string> = new Set(['tdx.rtmrs', 'tdx.minimumSgxTcb', 'tdx.minimumTeeTcbSvn']);

function comparable(member: string, value: unknown): string {
  if (value === undefined) return '';
  const texts = [value].flat().map((one) => JSON.stringify(one).toLowerCase());
  return JSON.stringify(BY_PLACE.has(member) ? texts : [...new Set(texts)].sort());
}
