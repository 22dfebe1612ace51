import type { GuestPolicy, PlatformInfo, SnpReport } from '../../abi/snp-report-fields.js';
import type { Tcb } from '../../abi/tcb.js';
import { type Field, field, hexOrZero, type Section } from '../output/table.js';

/** For what an older report version has no bits for: not the same as off. */
const NOT_REPORTED = 'not reported';

/** The report's fields for people: those that decide in every table, all of them when `everything` is asked for. */
export function snpReportSections(report: SnpReport, everything: boolean): Section[] {
  const sections: Section[] = [
    { title: `SEV-SNP report, version ${report.version}`, fields: identity(report, everything) },
  ];
  sections.push({ title: 'Guest policy', fields: policy(report.policy, everything) });
  if (everything) sections.push({ title: 'Platform', fields: platform(report.platformInfo) });
  sections.push({ title: 'Trusted computing base', fields: tcbs(report, everything) });
  return sections;
}

function identity(report: SnpReport, everything: boolean): Field[] {
  const cpu =
    report.cpuidFamId === undefined
      ? undefined
      : `family ${report.cpuidFamId.toString(16)}h, model ${report.cpuidModId?.toString(16)}h, stepping ${report.cpuidStep}`;
  const always = [
    ...field('product', [report.product, cpu].filter((part) => part !== undefined).join(', ')),
    ...field('chip id', hexOrZero(report.chipId)),
    ...field('launch measurement', report.measurement),
    ...field('report data', report.reportData),
    ...field('guest SVN', report.guestSvn),
    ...field('VMPL', report.vmpl === 0xffffffff ? 'requested by the host' : report.vmpl, { alert: report.vmpl !== 0 }),
  ];
  if (!everything) return always;
  return [
    ...always,
    ...field('family id', report.familyId),
    ...field('image id', report.imageId),
    ...field('host data', hexOrZero(report.hostData)),
    ...field('ID key digest', hexOrZero(report.idKeyDigest)),
    ...field('author key digest', hexOrZero(report.authorKeyDigest)),
    ...field('report id', report.reportId),
    ...field(
      'report id (migration agent)',
      report.reportIdMa.every((byte) => byte === 0xff) ? 'none' : report.reportIdMa,
    ),
    ...field('signature algorithm', report.signatureAlgo === 1 ? 'ECDSA P-384 with SHA-384' : report.signatureAlgo),
    ...field('signing key', { 0: 'VCEK', 1: 'VLEK', 7: 'none' }[report.signingKey] ?? report.signingKey),
    ...field('chip id masked', report.maskChipKey),
    ...field('launch mitigations', hexNumber(report.launchMitVector) ?? NOT_REPORTED),
    ...field('current mitigations', hexNumber(report.currentMitVector) ?? NOT_REPORTED),
    ...field('signature R', report.signature.r),
    ...field('signature S', report.signature.s),
  ];
}

function policy(policy: GuestPolicy, everything: boolean): Field[] {
  const decisive = [
    ...field('debugging', policy.debug ? 'ALLOWED: the host can read this guest' : 'not allowed', {
      alert: policy.debug,
    }),
    ...field('migration agent', policy.migrateMa ? 'ALLOWED' : 'not allowed', { alert: policy.migrateMa }),
    ...field('SMT', policy.smt ? 'allowed' : 'not allowed'),
  ];
  if (!everything) return decisive;
  return [
    ...decisive,
    ...field('minimum ABI', `${policy.abiMajor}.${policy.abiMinor}`),
    ...field('single socket', policy.singleSocket),
    ...field('CXL allowed', policy.cxlAllow),
    ...field('AES-256-XTS required', policy.memAes256Xts),
    ...field('RAPL must be off', policy.raplDis),
    ...field('ciphertext hiding required', policy.ciphertextHidingDram),
    ...field('page swap disabled', policy.pageSwapDisable),
    ...field('raw', hexNumber(policy.raw)),
  ];
}

function platform(info: PlatformInfo): Field[] {
  return [
    ...field('SMT', info.smtEn),
    ...field('TSME', info.tsmeEn),
    ...field('ECC memory', info.eccEn),
    ...field('RAPL off', info.raplDis),
    ...field('ciphertext hiding', info.ciphertextHidingDramEn),
    ...field('alias check (BadRAM)', info.aliasCheckComplete),
    ...field('SEV-TIO', info.tioEn ?? NOT_REPORTED),
    ...field('raw', hexNumber(info.raw)),
  ];
}

function tcbs(report: SnpReport, everything: boolean): Field[] {
  const reported = field('reported', tcbText(report.reportedTcb));
  if (!everything)
    return [...reported, ...firmware('firmware', report.currentMajor, report.currentMinor, report.currentBuild)];
  return [
    ...reported,
    ...field('current', tcbText(report.currentTcb)),
    ...field('committed', tcbText(report.committedTcb)),
    ...field('at launch', report.launchTcb === undefined ? undefined : tcbText(report.launchTcb)),
    ...firmware('firmware', report.currentMajor, report.currentMinor, report.currentBuild),
    ...firmware('firmware, committed', report.committedMajor, report.committedMinor, report.committedBuild),
  ];
}

/** `bootloader 4, TEE 0, SNP 24, microcode 219`, with the FMC where there is one. */
export function tcbText({ fmc, bootloader, tee, snp, microcode }: Tcb): string {
  return `${fmc === undefined ? '' : `FMC ${fmc}, `}bootloader ${bootloader}, TEE ${tee}, SNP ${snp}, microcode ${microcode}`;
}

function firmware(name: string, major?: number, minor?: number, build?: number): Field[] {
  return major === undefined ? [] : field(name, `${major}.${minor} build ${build}`);
}

function hexNumber(value: bigint | undefined): string | undefined {
  return value === undefined ? undefined : `0x${value.toString(16)}`;
}
