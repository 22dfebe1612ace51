import type { EndorsementExtensions } from '../../abi/amd-extensions.js';
import { SNP_SIGNATURE, SNP_SIGNED_SIZE } from '../../abi/snp-report.js';
import { SigningKey, type SnpReport } from '../../abi/snp-report-fields.js';
import { type Product, TCB_COMPONENTS, type Tcb, tcbText } from '../../abi/tcb.js';
import { concatBytes, equalBytes, isZero } from '../../base/bytes.js';
import type { SignatureEngine } from '../../engine/engine.js';
import { verifySignature } from '../../engine/verify-signature.js';
import type { CheckList } from '../check-codes.js';
import type { EndorsementChain } from './chain.js';

const OLDEST_VERSION = 2;
const NEWEST_VERSION = 5;
const ECDSA_P384_SHA384 = 1;
const SCHEME = { scheme: 'ecdsa', hash: 'SHA-384' } as const;

/** Version, algorithm and kind of key: what decides how the rest is to be read. */
export function checkReportHead(list: CheckList, report: SnpReport): void {
  const { version, signingKey } = report;
  list.add('report', 'report version', 'ERR_SNP_VERSION', version >= OLDEST_VERSION && version <= NEWEST_VERSION, {
    expected: `${OLDEST_VERSION} to ${NEWEST_VERSION}`,
    actual: version,
  });
  list.equal('report', 'signature algorithm', 'ERR_SNP_SIGNATURE_ALGO', ECDSA_P384_SHA384, report.signatureAlgo);
  const isSigned = signingKey === SigningKey.VCEK || signingKey === SigningKey.VLEK;
  list.add('report', 'signing key', 'ERR_SIGNING_KEY', isSigned, {
    expected: '0 (VCEK) or 1 (VLEK)',
    actual: signingKey === SigningKey.NONE ? '7 (unsigned)' : signingKey,
  });
  if (signingKey !== SigningKey.VLEK) {
    list.equal('report', 'chip id is not masked', 'ERR_CHIP_KEY_MASKED', false, report.maskChipKey);
  }
}

/** A VCEK must look like one in every respect, and be what the report says signed it. */
export function checkLeafType(list: CheckList, chain: EndorsementChain, report: SnpReport): void {
  const { leaf, leafType, endorsement } = chain;
  const wanted = report.signingKey === SigningKey.VLEK ? 'vlek' : 'vcek';
  const faults: string[] = [];
  if (leafType !== wanted) faults.push(`certificate of ${leaf.subject || 'nobody'}`);
  if (leaf.issuer.startsWith('SEV-VLEK-') !== (wanted === 'vlek')) faults.push(`issued by ${leaf.issuer}`);
  if (leaf.key?.type !== 'ec' || leaf.key.curve !== 'P-384') faults.push('key not on P-384');
  if (endorsement !== undefined) {
    if ((endorsement.hwid !== undefined) !== (wanted === 'vcek')) {
      faults.push('HWID present or absent against its type');
    }
    if ((endorsement.cspId !== undefined) !== (wanted === 'vlek')) {
      faults.push('CSP_ID present or absent against its type');
    }
  }
  const type = wanted.toUpperCase();
  list.add('leaf', 'leaf certificate is of the signing key', 'ERR_SIGNING_KEY', faults.length === 0, {
    expected: type,
    actual: faults.length === 0 ? type : faults.join(', '),
  });
  list.add('leaf', 'leaf certificate extensions', 'ERR_CERTIFICATE_FORMAT', endorsement?.productName !== undefined, {
    expected: 'structVersion, productName, patch levels',
    actual:
      endorsement === undefined
        ? (chain.endorsementError ?? 'absent')
        : (endorsement.productName ?? 'a productName that is not a printable IA5String'),
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
    expected: report.version < 3 ? 'Milan, Genoa or Turin' : (report.product ?? 'a known product'),
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
    list.notChecked('leaf', 'hardware id', 'the certificate cannot be read');
    list.notChecked('leaf', 'TCB', 'the certificate cannot be read');
    return;
  }
  const { chipId } = report;
  if (report.signingKey === SigningKey.VLEK) {
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
  const { offset, componentSize, significant } = SNP_SIGNATURE;
  const rs = concatBytes(signature.r, signature.s);
  const valid = key !== undefined && (await verifySignature(engine, key, SCHEME, raw.subarray(0, SNP_SIGNED_SIZE), rs));
  list.add('report', 'report signature', 'ERR_SNP_SIGNATURE', valid, {
    expected: 'valid',
    actual: valid ? 'valid' : 'not valid',
  });
  const unused = (begin: number): boolean => isZero(raw.subarray(begin + significant, begin + componentSize));
  const canonical = unused(offset) && unused(offset + componentSize);
  list.add('report', 'signature encoding', 'ERR_SNP_SIGNATURE_ENCODING', canonical, {
    expected: 'R and S zero above 48 bytes',
    actual: canonical ? 'zero' : 'not zero',
  });
  const tailZero = isZero(raw.subarray(offset + 2 * componentSize));
  list.add('report', 'unsigned bytes after the signature', 'ERR_SNP_SIGNATURE_ENCODING', tailZero, {
    expected: '368 zero bytes',
    actual: tailZero ? 'zero' : 'not zero',
  });
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
