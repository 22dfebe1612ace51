import { type KeyObject, verify, type X509Certificate } from 'node:crypto';
import type { Product, Tcb } from '../../../lib/abi/tcb.js';
import { snpSignedSize } from '../../../lib/simulator/evidence/snp-report.js';
import { untrusted } from '../../../lib/simulator/service/refusal.js';
import { type VerifiedLeaf, verifySnpChain } from './snp-chain.js';
import { policyBit, type SnpReportView, viewSnpReport } from './snp-report-view.js';

/** A SEV-SNP report that has been verified. */
export interface SnpEvidence {
  report: SnpReportView;
  product: Product;
  tcb: Tcb;
}

/** Verifies a report, its signing key and its chain. What the report says about the guest's policy is checked, too. */
export function verifySnpEvidence(
  bytes: Buffer,
  certificateChain: string,
  roots: readonly X509Certificate[],
  now: Date,
): SnpEvidence {
  const report = viewSnpReport(bytes);
  if (report.version < 2 || report.version > 5) throw untrusted(`SNP report of version ${report.version}`);
  if (report.signatureAlgorithm !== 1) throw untrusted('the SNP report is not signed with ECDSA P-384');
  const leaf = verifySnpChain(certificateChain, roots, now);
  verifySigningKey(report, leaf);
  verifySignature(report, leaf.certificate.publicKey);
  verifyProduct(report, leaf.product);
  const tcb = report.tcbs(leaf.product).reported;
  if (JSON.stringify(tcb) !== JSON.stringify(leaf.tcb)) throw untrusted('the leaf is for another TCB than the report');
  verifyTcbOrder(report, leaf.product);
  verifyGuestPolicy(report);
  return { report, product: leaf.product, tcb };
}

/** signing_key and chip id of the report against the leaf, which is a VCEK. */
function verifySigningKey(report: SnpReportView, leaf: VerifiedLeaf): void {
  const signingKey = (report.keyInfo >> 2) & 7;
  if (signingKey !== 0) throw untrusted(`the SNP report names signing key ${signingKey}, not a VCEK`);
  const maskedChip = (report.keyInfo & 2) !== 0;
  const expected = Buffer.concat([leaf.hardwareId, Buffer.alloc(64)], 64);
  if (maskedChip || !report.chipId.equals(expected)) throw untrusted('the leaf is of another chip than the report');
}

/** reported ≤ committed ≤ current, component by component. At launch it may have been above: firmware is rolled back. */
function verifyTcbOrder(report: SnpReportView, product: Product): void {
  const { reported, committed, current } = report.tcbs(product);
  const atMost = (low: Tcb, high: Tcb): boolean =>
    (Object.keys(low) as (keyof Tcb)[]).every((component) => (low[component] ?? 0) <= (high[component] ?? 0));
  if (!atMost(reported, committed) || !atMost(committed, current)) {
    throw untrusted('the TCBs of the SNP report are in no possible order');
  }
}

/** R and S are 72-byte little-endian numbers of 48 significant bytes; what follows them is zero. */
function verifySignature(report: SnpReportView, key: KeyObject): void {
  const signature = report.bytes.subarray(snpSignedSize);
  const significant = (offset: number): Buffer => Buffer.from(signature.subarray(offset, offset + 48)).reverse();
  const rest = [signature.subarray(48, 72), signature.subarray(120)];
  if (rest.some((bytes) => bytes.some((byte) => byte !== 0))) {
    throw untrusted('the signature of the SNP report is not in its one valid encoding');
  }
  const valid = verify(
    'sha384',
    report.bytes.subarray(0, snpSignedSize),
    { key, dsaEncoding: 'ieee-p1363' },
    Buffer.concat([significant(0), significant(72)]),
  );
  if (!valid) throw untrusted('the signature of the SNP report does not verify');
}

/** From version 3 on a report says which processor made it. */
function verifyProduct({ version, cpuFamily, cpuModel }: SnpReportView, product: Product): void {
  if (version < 3) return;
  const line =
    cpuFamily === 0x1a && cpuModel <= 0x11
      ? 'Turin'
      : cpuFamily === 0x19 && cpuModel <= 0x0f
        ? 'Milan'
        : cpuFamily === 0x19 && (cpuModel <= 0x1f || (cpuModel >= 0xa0 && cpuModel <= 0xaf))
          ? 'Genoa'
          : undefined;
  if (line !== product) throw untrusted(`the SNP report is not of a ${product} processor`);
}

function verifyGuestPolicy({ vmpl, policy }: SnpReportView): void {
  if (vmpl !== 0) throw untrusted(`the SNP report was asked for at VMPL ${vmpl}`);
  if ((policy & policyBit.reservedOne) === 0n) throw untrusted('the guest policy is malformed');
  if (policy & policyBit.debug) throw untrusted('the guest policy allows debugging');
  if (policy & policyBit.migrationAgent) throw untrusted('the guest policy allows a migration agent');
}
