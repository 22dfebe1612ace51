import { type SnpReport, VLEK } from '../../abi/snp-report-fields.js';
import { type Product, TCB_COMPONENTS, type Tcb, tcbText } from '../../abi/tcb.js';
import type { CheckList } from '../check-codes.js';
import { allowedText, demand, demandAtLeast } from '../demand.js';
import { checkHex } from '../hex-values.js';
import type { CheckedOptions } from '../options.js';
import type { MinimumTcb, VerificationPolicy } from '../policy.js';
import { isByProduct } from '../policy-members.js';
import type { EndorsementChain } from './chain.js';
import { isAtMost } from './check-report.js';
import { checkSigners } from './signers.js';

const TIO_BIT = 7n;
const HOST_REQUESTED = 0xffffffff;
const HEX_FIELDS = [
  'measurement',
  'reportData',
  'hostData',
  'familyId',
  'imageId',
  'reportId',
  'reportIdMa',
  'chipId',
] as const;

/** What the policy demands of the report; its defaults are checked whether or not there is a policy. */
export function checkSnpPolicy(
  list: CheckList,
  { policy, signers }: CheckedOptions,
  report: SnpReport,
  { product, chain }: { product?: Product | undefined; chain?: EndorsementChain },
): void {
  const { allowDebug, allowMigration, vmpl = 0, cspIds, allowedProducts } = policy;
  const { debug, migrateMa } = report.policy;
  demand(list, 'debugging', allowDebug === true || !debug, allowedText(allowDebug), allowedText(debug));
  const mayMove = allowMigration === true || !migrateMa;
  demand(list, 'migration agent', mayMove, allowedText(allowMigration), allowedText(migrateMa));
  const levels = [vmpl].flat();
  const level = report.vmpl === HOST_REQUESTED ? 'requested by the host' : report.vmpl;
  demand(list, 'VMPL', levels.includes(report.vmpl), levels, level);
  if (report.signingKey === VLEK) {
    demand(list, 'VLEK', policy.allowVlek === true, allowedText(policy.allowVlek), 'signed by a VLEK');
    const cspId = chain?.endorsement?.cspId ?? 'absent';
    if (cspIds) demand(list, 'CSP_ID', cspIds.includes(cspId), cspIds, cspId);
  }
  if (allowedProducts) {
    const allowed = product !== undefined && allowedProducts.includes(product);
    demand(list, 'product', allowed, allowedProducts, product ?? 'unknown');
  }
  checkBits(list, policy, report);
  checkFirmware(list, policy, report);
  checkMinimum(list, 'minimumTcb', policy.minimumTcb, report.reportedTcb, product);
  checkMinimum(list, 'minimumLaunchTcb', policy.minimumLaunchTcb, report.launchTcb, product);
  for (const field of HEX_FIELDS) {
    const expected = policy[field];
    if (expected !== undefined) checkHex(list, 'policy', field, expected, report[field]);
  }
  checkSigners(list, policy, signers, report);
}

function checkBits(list: CheckList, policy: VerificationPolicy, report: SnpReport): void {
  const { minimumAbi, ...guestBits } = policy.guestPolicy ?? {};
  const { policy: guestPolicy, platformInfo } = report;
  const { abiMajor, abiMinor } = guestPolicy;
  demandVersion(list, 'guestPolicy.minimumAbi', minimumAbi, [abiMajor, abiMinor]);
  for (const [bit, expected] of Object.entries(guestBits)) {
    const actual = guestPolicy[bit as keyof typeof guestBits];
    demand(list, `guestPolicy.${bit}`, expected === actual, expected, actual);
  }
  for (const [bit, expected] of Object.entries(policy.platformInfo ?? {})) {
    // Before version 5 the bit of SEV-TIO is a reserved one: set, it means what it means today.
    const actual = platformInfo[bit as keyof SnpReport['platformInfo']] ?? ((platformInfo.raw >> TIO_BIT) & 1n) === 1n;
    demand(list, `platformInfo.${bit}`, expected === actual, expected, actual);
  }
}

function checkFirmware(list: CheckList, policy: VerificationPolicy, report: SnpReport): void {
  const { minimumVersion, minimumBuild } = policy;
  const { currentMajor = 0, currentMinor = 0, currentBuild = 0 } = report;
  const { committedMajor = 0, committedMinor = 0, committedBuild = 0 } = report;
  const { currentTcb, committedTcb, reportedTcb, launchTcb } = report;
  const current = [currentMajor, currentMinor, currentBuild];
  demandAtLeast(list, 'minimumGuestSvn', policy.minimumGuestSvn, report.guestSvn);
  if (minimumVersion !== undefined || minimumBuild !== undefined) {
    const least = `${minimumVersion ?? `${currentMajor}.${currentMinor}`}.${minimumBuild ?? 0}`;
    demandVersion(list, 'firmware version', least, current);
  }
  if (policy.permitProvisionalFirmware === false) {
    const committed = [committedMajor, committedMinor, committedBuild];
    const isCommitted =
      current.join() === committed.join() &&
      sameTcb(currentTcb, committedTcb) &&
      (launchTcb === undefined || isAtMost(launchTcb, currentTcb));
    const words = (version: readonly number[], tcb: Tcb): string => `${version.join('.')}, ${tcbText(tcb)}`;
    const expected = words(committed, committedTcb);
    demand(list, 'firmware is committed', isCommitted, expected, words(current, currentTcb));
  }
  if (policy.requireCommittedTcb === true) {
    const same = sameTcb(reportedTcb, committedTcb);
    demand(list, 'reported TCB is the committed one', same, tcbText(committedTcb), tcbText(reportedTcb));
  }
}

function demandVersion(list: CheckList, name: string, least: string | undefined, actual: readonly number[]): void {
  if (least === undefined) return;
  const differences = least.split('.').map((number, index) => (actual[index] ?? 0) - Number(number));
  const isReached = (differences.find((difference) => difference !== 0) ?? 0) >= 0;
  demand(list, name, isReached, `at least ${least}`, actual.join('.'));
}

function checkMinimum(
  list: CheckList,
  name: string,
  minimum: MinimumTcb | undefined,
  actual: Tcb | undefined,
  product: Product | undefined,
): void {
  if (minimum === undefined) return;
  const wanted: Partial<Tcb> | undefined = isByProduct(minimum) ? product && minimum[product] : minimum;
  const low = TCB_COMPONENTS.filter((component) => (actual?.[component] ?? 0) < (wanted?.[component] ?? 0));
  const isReached = wanted !== undefined && actual !== undefined && low.length === 0;
  const expected =
    wanted === undefined ? `a minimum for ${product ?? 'an unknown product'}` : `at least ${tcbText(wanted)}`;
  demand(list, name, isReached, expected, actual === undefined ? 'absent' : tcbText(actual));
}

function sameTcb(one: Tcb, other: Tcb): boolean {
  return TCB_COMPONENTS.every((component) => one[component] === other[component]);
}
