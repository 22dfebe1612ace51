import { parseSnpReport } from '../../abi/snp-report.js';
import type { SnpReport } from '../../abi/snp-report-fields.js';
import { type Product, tcbText } from '../../abi/tcb.js';
import { hexNumber } from '../../base/hex.js';
import type { SignatureEngine } from '../../engine/engine.js';
import type { CheckList } from '../check-codes.js';
import type { CheckedOptions } from '../options.js';
import { messageOf } from '../refusal.js';
import { type EndorsementChain, openChain } from './chain.js';
import { checkChain, checkDates } from './check-certificates.js';
import {
  checkLeafBinding,
  checkLeafType,
  checkProduct,
  checkReportHead,
  checkReportSignature,
  checkTcbOrder,
  isAtMost,
} from './check-report.js';
import { checkRevocation } from './check-revocation.js';

/** What is known after the report's own checks. */
export interface ReportVerification {
  report?: SnpReport;
  product?: Product | undefined;
  chain?: EndorsementChain;
}

/** Certificates as they came with the report: the verifier's own copies. */
export interface CertificateInput {
  leaf: Uint8Array | string | undefined;
  others: readonly (Uint8Array | string)[];
}

/** Every check of a report but the policy's, in the order in which one makes the next one meaningful. */
export async function checkSnpReport(
  engine: SignatureEngine,
  list: CheckList,
  bytes: Uint8Array,
  certificates: CertificateInput,
  options: CheckedOptions,
): Promise<ReportVerification> {
  let report = list.read('report', 'report can be read', 'ERR_SNP_REPORT', () => parseSnpReport(bytes));
  if (report === undefined) return {};
  checkReportHead(list, report);
  const chain = await findChain(engine, list, certificates, options);
  if (chain === undefined) {
    for (const name of ['report signature', 'hardware id', 'TCB']) list.notChecked('report', name, 'no certificates');
    checkTcbOrder(list, report);
    return { report };
  }
  const leafProduct = chain.endorsement?.structVersion === 1 ? 'Turin' : 'Milan';
  if (report.version < 3 && report.tcbLayout !== leafProduct) {
    report = parseSnpReport(report.raw, { product: leafProduct });
  }
  checkLeafType(list, chain, report);
  const product = checkProduct(list, chain, report);
  checkChain(list, chain, product, options.anchors);
  checkDates(list, chain, options.now);
  await checkRevocation(engine, list, chain, {
    lists: options.crls,
    required: options.policy.requireCrl === true,
    now: options.now,
  });
  checkLeafBinding(list, chain.endorsement, report);
  await checkReportSignature(engine, list, chain, report);
  checkTcbOrder(list, report);
  return { report, chain, product };
}

async function findChain(
  engine: SignatureEngine,
  list: CheckList,
  { leaf, others }: CertificateInput,
  options: CheckedOptions,
): Promise<EndorsementChain | undefined> {
  if (leaf === undefined) {
    list.absent('leaf', 'leaf certificate (VCEK or VLEK)', 'ERR_CERTIFICATE_MISSING', 'a certificate');
    return undefined;
  }
  try {
    return await openChain(engine, { leaf, others, anchors: options.anchors.certificates });
  } catch (error) {
    list.add('leaf', 'certificates can be read', 'ERR_CERTIFICATE_FORMAT', false, { actual: messageOf(error) });
    return undefined;
  }
}

/** What nothing explains about a report, in sentences: never a reason to refuse. */
export function snpWarnings(report: SnpReport | undefined): string[] {
  if (report === undefined) return [];
  const warnings = report.unknownFields.map(
    ({ offset, bytes }) =>
      `reserved bytes ${hexNumber(offset)} to ${hexNumber(offset + bytes.length - 1)} are not zero`,
  );
  const { policy, platformInfo, launchTcb, currentTcb } = report;
  if (policy.unknownBits !== 0n) warnings.push(`unknown guest policy bits ${hexNumber(policy.unknownBits)}`);
  if (platformInfo.unknownBits !== 0n) {
    warnings.push(`unknown platform info bits ${hexNumber(platformInfo.unknownBits)}`);
  }
  if (launchTcb !== undefined && !isAtMost(launchTcb, currentTcb)) {
    warnings.push(
      `the TCB at launch (${tcbText(launchTcb)}) is above the current one (${tcbText(currentTcb)}): it was rolled back`,
    );
  }
  return warnings;
}
