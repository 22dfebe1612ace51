import type { NativeEndorsement } from '../../binding.js';
import { isZero } from '../base/bytes.js';
import { hex } from '../base/hex.js';
import type { EndorsementChain } from './chain.js';
import type { CheckList } from './check-list.js';
import { type Product, SigningKey, type SnpReport, type Tcb } from './types.js';

export const TCB_COMPONENTS = ['fmc', 'bootloader', 'tee', 'snp', 'microcode'] as const;

const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;
const ECDSA_P384_SHA384 = 1;
// Bits that the native signature verification returns.
const SIGNATURE_VALID = 1;
const SIGNATURE_CANONICAL = 2;
const TAIL_ZERO = 4;

/** Version, algorithm and kind of key: what decides how the rest is to be read. */
export function checkReportHead(list: CheckList, report: SnpReport): void {
  list.add('report', 'report version', 'ERR_SNP_VERSION', isKnownVersion(report.version), {
    expected: `${OLDEST_VERSION} to ${NEWEST_VERSION}`,
    actual: String(report.version),
  });
  list.equal(
    'report',
    'signature algorithm',
    'ERR_SNP_SIGNATURE_ALGO',
    String(ECDSA_P384_SHA384),
    String(report.signatureAlgo),
  );
  const { signingKey } = report;
  list.add(
    'report',
    'signing key',
    'ERR_SIGNING_KEY',
    signingKey === SigningKey.VCEK || signingKey === SigningKey.VLEK,
    {
      expected: '0 (VCEK) or 1 (VLEK)',
      actual: signingKey === SigningKey.NONE ? '7 (unsigned)' : String(signingKey),
    },
  );
  if (signingKey !== SigningKey.VLEK) {
    list.equal('report', 'chip id is not masked', 'ERR_CHIP_KEY_MASKED', 'false', String(report.maskChipKey));
  }
}

function isKnownVersion(version: number): boolean {
  return version >= OLDEST_VERSION && version <= NEWEST_VERSION;
}

/** A VCEK must look like one in every respect, and be what the report says signed it. */
export function checkLeafType(list: CheckList, chain: EndorsementChain, report: SnpReport): void {
  const { leaf, leafType, endorsement } = chain;
  const wanted = report.signingKey === SigningKey.VLEK ? 'vlek' : 'vcek';
  const faults: string[] = [];
  if (leafType !== wanted) faults.push(`certificate of ${leaf.info.subject || 'nobody'}`);
  if (leaf.info.issuer.startsWith('SEV-VLEK-') !== (wanted === 'vlek')) faults.push(`issued by ${leaf.info.issuer}`);
  if (leaf.info.keyType !== 'ec-p384') faults.push('key not on P-384');
  if (endorsement !== undefined) {
    if ((endorsement.hwid !== undefined) !== (wanted === 'vcek'))
      faults.push('HWID present or absent against its type');
    if ((endorsement.cspId !== undefined) !== (wanted === 'vlek'))
      faults.push('CSP_ID present or absent against its type');
  }
  list.add('leaf', 'leaf certificate is of the signing key', 'ERR_SIGNING_KEY', faults.length === 0, {
    expected: wanted.toUpperCase(),
    actual: faults.length === 0 ? wanted.toUpperCase() : faults.join(', '),
  });
  list.add('leaf', 'leaf certificate extensions', 'ERR_CERTIFICATE_FORMAT', endorsement !== undefined, {
    expected: 'structVersion, productName, patch levels',
    actual: endorsement === undefined ? (chain.endorsementError ?? 'absent') : (endorsement.productName ?? 'unnamed'),
  });
}

/**
 * Product line by the report's CPUID, by the certificate's own name and by its issuer: they must agree, and the TCB layout
 * must be the product's. A report before version 3 has no CPUID, and a name that cannot be read says nothing.
 */
export function checkProduct(list: CheckList, chain: EndorsementChain, report: SnpReport): Product | undefined {
  const { endorsement, leaf } = chain;
  const issuer = productOfName(leaf.info.issuer.replace(/^SEV-(VLEK-)?/, ''));
  const named = endorsement?.productName === undefined ? issuer : productOfName(endorsement.productName);
  const reported = report.version < 3 ? issuer : report.product;
  const layout = issuer === 'Turin' ? 1 : 0;
  const agreed = issuer !== undefined && named === issuer && reported === issuer;
  list.add('leaf', 'product', 'ERR_PRODUCT', agreed && endorsement?.structVersion === layout, {
    expected: report.version < 3 ? 'Milan, Genoa or Turin' : (report.product ?? 'a known product'),
    actual: `${endorsement?.productName ?? 'unnamed'}, issued by ${leaf.info.issuer}`,
  });
  return agreed ? issuer : undefined;
}

function productOfName(name: string): Product | undefined {
  const line = name.replace(/-[A-Z]\d$/, ''); // the stepping may be missing
  return line === 'Milan' || line === 'Genoa' || line === 'Turin' ? line : undefined;
}

/** Chip id and every TCB component against the certificate. */
export function checkLeafBinding(list: CheckList, endorsement: NativeEndorsement | undefined, report: SnpReport): void {
  if (endorsement === undefined) {
    list.notChecked('leaf', 'hardware id', 'the certificate cannot be read');
    list.notChecked('leaf', 'TCB', 'the certificate cannot be read');
    return;
  }
  if (report.signingKey === SigningKey.VLEK) {
    list.skipped('leaf', 'hardware id', 'a VLEK is not of one chip');
  } else {
    const { hwid } = endorsement;
    const same = hwid !== undefined && hex(hwid) === hex(report.chipId.subarray(0, hwid.length));
    list.add('leaf', 'hardware id', 'ERR_HWID_MISMATCH', same && isZero(report.chipId.subarray(hwid.length)), {
      expected: hwid === undefined ? 'a hardware id' : hex(hwid),
      actual: hex(report.chipId.subarray(0, report.tcbLayout === 'Turin' ? 8 : 64)),
    });
  }
  for (const component of TCB_COMPONENTS) {
    const expected = endorsement.tcb[component];
    const actual = report.reportedTcb[component];
    if (expected === undefined && actual === undefined) continue;
    list.equal(
      'leaf',
      `TCB ${component}`,
      'ERR_TCB_MISMATCH',
      String(expected ?? 'absent'),
      String(actual ?? 'absent'),
    );
  }
}

/** The signature over the bytes received, and that the bytes which it does not cover carry nothing. */
export function checkReportSignature(list: CheckList, chain: EndorsementChain, report: SnpReport): void {
  let bits = 0;
  let actual = 'valid';
  try {
    bits = chain.leaf.handle.verifyReport(report.raw);
    if ((bits & SIGNATURE_VALID) === 0) actual = 'not valid';
  } catch (error) {
    actual = error instanceof Error ? error.message : String(error);
    list.add('report', 'report signature', 'ERR_SNP_SIGNATURE', false, { expected: 'valid', actual });
    list.notChecked('report', 'signature encoding', 'the signature cannot be verified');
    return;
  }
  list.add('report', 'report signature', 'ERR_SNP_SIGNATURE', (bits & SIGNATURE_VALID) !== 0, {
    expected: 'valid',
    actual,
  });
  list.add('report', 'signature encoding', 'ERR_SNP_SIGNATURE_ENCODING', (bits & SIGNATURE_CANONICAL) !== 0, {
    expected: 'R and S zero above 48 bytes',
    actual: (bits & SIGNATURE_CANONICAL) !== 0 ? 'zero' : 'not zero',
  });
  list.add('report', 'unsigned bytes after the signature', 'ERR_SNP_SIGNATURE_ENCODING', (bits & TAIL_ZERO) !== 0, {
    expected: '368 zero bytes',
    actual: (bits & TAIL_ZERO) !== 0 ? 'zero' : 'not zero',
  });
}

/** reported ≤ committed ≤ current, and launch ≤ current: firmware cannot say otherwise. */
export function checkTcbOrder(list: CheckList, report: SnpReport): void {
  const order = (name: string, low: Tcb, high: Tcb): void => {
    const ordered = TCB_COMPONENTS.every((component) => (low[component] ?? 0) <= (high[component] ?? 0));
    list.add('report', `${name} TCB order`, 'ERR_TCB_ORDER', ordered, {
      expected: `at most ${tcbText(high)}`,
      actual: tcbText(low),
    });
  };
  order('reported to committed', report.reportedTcb, report.committedTcb);
  order('committed to current', report.committedTcb, report.currentTcb);
  if (report.launchTcb !== undefined) order('launch to current', report.launchTcb, report.currentTcb);
}

/** A TCB for people: `bootloader 4, tee 0, snp 24, microcode 219`. */
export function tcbText(tcb: Partial<Tcb>): string {
  let text = '';
  for (const component of TCB_COMPONENTS) {
    const level = tcb[component];
    if (level !== undefined) text += `${text === '' ? '' : ', '}${component} ${level}`;
  }
  return text;
}
