import type { EndorsementExtensions } from '../../abi/amd-extensions.js';
import { SNP_SIGNATURE, SNP_SIGNED_SIZE } from '../../abi/snp-report.js';
import { type SnpReport, VCEK, VLEK } from '../../abi/snp-report-fields.js';
import { type Product, TCB_COMPONENTS, type Tcb, tcbText } from '../../abi/tcb.js';
import { concatBytes, equalBytes, isZero } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import type { CheckList } from '../check-codes.js';
import type { EndorsementChain } from './chain.js';

const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;
const ECDSA_P384_SHA384 = 1;
const NOT_ZERO = ['not zero'];
const SCHEME = { scheme: 'ecdsa', hash: 'SHA-384' } as const;

/** Version, algorithm and kind of key: what decides how the rest is to be read. */
export function checkReportHead(list: CheckList, report: SnpReport): void {
  const { version, signingKey } = report;
  const isKnown = version >= OLDEST_VERSION && version <= NEWEST_VERSION;
  list.add('report', 'report version', 'ERR_SNP_VERSION', isKnown, { expected: '2 to 5', actual: version });
  list.equal('report', 'signature algorithm', 'ERR_SNP_SIGNATURE_ALGO', ECDSA_P384_SHA384, report.signatureAlgo);
  const isSigned = signingKey === VCEK || signingKey === VLEK;
  list.add('report', 'signing key', 'ERR_SIGNING_KEY', isSigned, {
    expected: '0 (VCEK) or 1 (VLEK)',
    actual: signingKey,
  });
  if (signingKey !== VLEK) {
    list.equal('report', 'chip id is not masked', 'ERR_CHIP_KEY_MASKED', false, report.maskChipKey);
  }
}

/** A VCEK must look like one in every respect, and be what the report says signed it. */
export function checkLeafType(list: CheckList, chain: EndorsementChain, report: SnpReport): void {
  const { leaf, endorsement } = chain;
  const isVlek = report.signingKey === VLEK;
  const type = isVlek ? 'VLEK' : 'VCEK';
  const faults: string[] = [];
  if (leaf.subject !== `SEV-${type}`) faults.push(`certificate of ${leaf.subject || 'nobody'}`);
  if (leaf.issuer.startsWith('SEV-VLEK-') !== isVlek) faults.push(`issued by ${leaf.issuer}`);
  if (leaf.key?.type !== 'ec' || leaf.key.curve !== 'P-384') faults.push('key not on P-384');
  if (endorsement !== undefined) {
    if ((endorsement.hwid === undefined) !== isVlek) faults.push('HWID of another type');
    if ((endorsement.cspId === undefined) === isVlek) faults.push('CSP_ID of another type');
  }
  list.faultless('leaf', 'leaf certificate is of the signing key', 'ERR_SIGNING_KEY', faults, type);
  list.add('leaf', 'leaf certificate extensions', 'ERR_CERTIFICATE_FORMAT', endorsement?.productName !== undefined, {
    expected: 'a productName',
    actual:
      endorsement === undefined
        ? (chain.endorsementError ?? 'absent')
        : (endorsement.productName ?? 'an unprintable productName'),
  });
}

/**
 * Product line by the report's CPUID, by the certificate's own name and by its issuer: they must agree, and the TCB layout
 * must be the product's. A report before version 3 has no CPUID.
 */
export function checkProduct(list: CheckList, chain: EndorsementChain, report: SnpReport): Product | undefined {
  const { endorsement, leaf } = chain;
  const issuer = productOfName(leaf.issuer.replace(/^SEV-(VLEK-)?/, ''));
  const named = endorsement?.productName === undefined ? issuer : productOfName(endorsement.productName);
  const reported = report.version < 3 ? issuer : report.product;
  const layout = issuer === 'Turin' ? 1 : 0;
  const agreed = issuer !== undefined && named === issuer && reported === issuer;
  list.add('leaf', 'product', 'ERR_PRODUCT', agreed && endorsement?.structVersion === layout, {
    expected: report.product ?? 'Milan, Genoa or Turin',
    actual: `${endorsement?.productName ?? 'unnamed'}, issued by ${leaf.issuer}`,
  });
  return agreed ? issuer : undefined;
}

function productOfName(name: string): Product | undefined {
  const line = name.replace(/-[A-Z]\d$/, ''); // the stepping may be missing
  return line === 'Milan' || line === 'Genoa' || line === 'Turin' ? line : undefined;
}

/** Chip id and every TCB component against the certificate. */
export function checkLeafBinding(
  list: CheckList,
  endorsement: EndorsementExtensions | undefined,
  report: SnpReport,
): void {
  if (endorsement === undefined) {
    for (const name of ['hardware id', 'TCB']) list.notChecked('leaf', name, 'the certificate cannot be read');
    return;
  }
  const { chipId } = report;
  if (report.signingKey === VLEK) {
    list.skipped('leaf', 'hardware id', 'a VLEK is not of one chip');
  } else {
    const { hwid } = endorsement;
    const same = hwid !== undefined && equalBytes(hwid, chipId.subarray(0, hwid.length));
    list.add('leaf', 'hardware id', 'ERR_HWID_MISMATCH', same && isZero(chipId.subarray(hwid.length)), {
      expected: hwid ?? 'a hardware id',
      actual: chipId.subarray(0, report.tcbLayout === 'Turin' ? 8 : 64),
    });
  }
  for (const component of TCB_COMPONENTS) {
    const expected = endorsement.tcb[component];
    const actual = report.reportedTcb[component];
    if (expected === undefined && actual === undefined) continue;
    list.equal('leaf', `TCB ${component}`, 'ERR_TCB_MISMATCH', expected ?? 'absent', actual ?? 'absent');
  }
}

/** The signature over the bytes received, and that the bytes which it does not cover carry nothing. */
export async function checkReportSignature(
  engine: SignatureEngine,
  list: CheckList,
  { leaf: { key } }: EndorsementChain,
  { raw, signature }: SnpReport,
): Promise<void> {
  const rs = concatBytes(signature.r, signature.s);
  const valid = key !== undefined && (await verifySignature(engine, key, SCHEME, raw.subarray(0, SNP_SIGNED_SIZE), rs));
  list.signature('report', 'report signature', 'ERR_SNP_SIGNATURE', valid);
  const { offset, componentSize, significant } = SNP_SIGNATURE;
  const unused = (begin: number): boolean => isZero(raw, begin + significant, begin + componentSize);
  const code = 'ERR_SNP_SIGNATURE_ENCODING';
  const canonical = unused(offset) && unused(offset + componentSize);
  list.faultless('report', 'signature encoding', code, canonical ? [] : NOT_ZERO, 'R and S zero above 48 bytes');
  const tailZero = isZero(raw, offset + 2 * componentSize);
  list.faultless('report', 'unsigned bytes after the signature', code, tailZero ? [] : NOT_ZERO, 'zero');
}

/** reported ≤ committed ≤ current: firmware cannot say otherwise. The TCB at launch may be above: firmware is rolled back. */
export function checkTcbOrder(list: CheckList, report: SnpReport): void {
  const order = (name: string, low: Tcb, high: Tcb): void => {
    list.add('report', `${name} TCB order`, 'ERR_TCB_ORDER', isAtMost(low, high), {
      expected: () => `at most ${tcbText(high)}`,
      actual: () => tcbText(low),
    });
  };
  order('reported to committed', report.reportedTcb, report.committedTcb);
  order('committed to current', report.committedTcb, report.currentTcb);
}

/** Whether no component is above the other's. */
export function isAtMost(low: Tcb, high: Tcb): boolean {
  return TCB_COMPONENTS.every((component) => (low[component] ?? 0) <= (high[component] ?? 0));
}
