import { SigningKey, type SnpReport } from '../../abi/snp-report-fields.js';
import { type Product, TCB_COMPONENTS, type Tcb, tcbText } from '../../abi/tcb.js';
import type { CheckList } from '../check-codes.js';
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
  const refuse = (name: string, ok: boolean, expected: string, actual: string): boolean =>
    list.add('policy', name, 'ERR_POLICY', ok, { expected, actual });

  refuse(
    'debugging',
    policy.allowDebug === true || !report.policy.debug,
    allowedText(policy.allowDebug),
    allowedText(report.policy.debug),
  );
  refuse(
    'migration agent',
    policy.allowMigration === true || !report.policy.migrateMa,
    allowedText(policy.allowMigration),
    allowedText(report.policy.migrateMa),
  );
  const levels = [policy.vmpl ?? 0].flat();
  refuse(
    'VMPL',
    levels.includes(report.vmpl),
    levels.join(' or '),
    report.vmpl === HOST_REQUESTED ? 'requested by the host' : String(report.vmpl),
  );
  if (report.signingKey === SigningKey.VLEK) {
    refuse('VLEK', policy.allowVlek === true, allowedText(policy.allowVlek), 'signed by a VLEK');
    const cspId = chain?.endorsement?.cspId ?? 'absent';
    if (policy.cspIds) refuse('CSP_ID', policy.cspIds.includes(cspId), policy.cspIds.join(' or '), cspId);
  }
  if (policy.allowedProducts) {
    const allowed = product !== undefined && policy.allowedProducts.includes(product);
    refuse('product', allowed, policy.allowedProducts.join(' or '), product ?? 'unknown');
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
  if (minimumAbi !== undefined) {
    const { abiMajor, abiMinor } = report.policy;
    list.add(
      'policy',
      'guestPolicy.minimumAbi',
      'ERR_POLICY',
      compare([abiMajor, abiMinor], numbers(minimumAbi)) >= 0,
      {
        expected: `at least ${minimumAbi}`,
        actual: `${abiMajor}.${abiMinor}`,
      },
    );
  }
  for (const [bit, expected] of Object.entries(guestBits)) {
    const actual = report.policy[bit as keyof typeof guestBits];
    list.equal('policy', `guestPolicy.${bit}`, 'ERR_POLICY', String(expected), String(actual));
  }
  for (const [bit, expected] of Object.entries(policy.platformInfo ?? {})) {
    const { platformInfo } = report;
    // Before version 5 the bit of SEV-TIO is a reserved one: set, it means what it means today.
    const actual = platformInfo[bit as keyof SnpReport['platformInfo']] ?? ((platformInfo.raw >> TIO_BIT) & 1n) === 1n;
    list.equal('policy', `platformInfo.${bit}`, 'ERR_POLICY', String(expected), String(actual));
  }
}

function checkFirmware(list: CheckList, policy: VerificationPolicy, report: SnpReport): void {
  const { minimumGuestSvn, minimumVersion, minimumBuild } = policy;
  const { currentMajor = 0, currentMinor = 0, currentBuild = 0 } = report;
  if (minimumGuestSvn !== undefined) {
    list.add('policy', 'minimumGuestSvn', 'ERR_POLICY', report.guestSvn >= minimumGuestSvn, {
      expected: `at least ${minimumGuestSvn}`,
      actual: String(report.guestSvn),
    });
  }
  if (minimumVersion !== undefined || minimumBuild !== undefined) {
    const least = minimumVersion === undefined ? [currentMajor, currentMinor] : numbers(minimumVersion);
    const current = [currentMajor, currentMinor, currentBuild];
    list.add('policy', 'firmware version', 'ERR_POLICY', compare(current, [...least, minimumBuild ?? 0]) >= 0, {
      expected: `at least ${[minimumVersion ?? 'any version,', minimumBuild === undefined ? '' : `build ${minimumBuild}`].join(' ').trim()}`,
      actual: `${currentMajor}.${currentMinor} build ${currentBuild}`,
    });
  }
  if (policy.permitProvisionalFirmware === false) {
    const committed = [report.committedMajor ?? 0, report.committedMinor ?? 0, report.committedBuild ?? 0];
    const same = compare([currentMajor, currentMinor, currentBuild], committed) === 0;
    const isCommitted =
      same &&
      sameTcb(report.currentTcb, report.committedTcb) &&
      (report.launchTcb === undefined || isAtMost(report.launchTcb, report.currentTcb));
    list.add('policy', 'firmware is committed', 'ERR_POLICY', isCommitted, {
      expected: `${committed.join('.')}, ${tcbText(report.committedTcb)}`,
      actual: `${currentMajor}.${currentMinor}.${currentBuild}, ${tcbText(report.currentTcb)}`,
    });
  }
  if (policy.requireCommittedTcb === true) {
    list.add(
      'policy',
      'reported TCB is the committed one',
      'ERR_POLICY',
      sameTcb(report.reportedTcb, report.committedTcb),
      {
        expected: tcbText(report.committedTcb),
        actual: tcbText(report.reportedTcb),
      },
    );
  }
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
  list.add('policy', name, 'ERR_POLICY', wanted !== undefined && actual !== undefined && low.length === 0, {
    expected: wanted === undefined ? `a minimum for ${product ?? 'an unknown product'}` : `at least ${tcbText(wanted)}`,
    actual: actual === undefined ? 'absent' : tcbText(actual),
  });
}

function sameTcb(one: Tcb, other: Tcb): boolean {
  return TCB_COMPONENTS.every((component) => one[component] === other[component]);
}

function numbers(version: string): number[] {
  return version.split('.').map(Number);
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (const [index, value] of one.entries()) {
    const difference = value - (other[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function allowedText(allowed: boolean | undefined): string {
  return allowed === true ? 'allowed' : 'not allowed';
}
