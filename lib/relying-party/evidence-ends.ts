import { parseRevocationList } from '../abi/crl.js';
import type { Unlisted, VerificationResult } from '../verify/result.js';

/**
 * When what good evidence was verified by ends: its certificates, Intel's collateral, and the lists of AMD's root, ms since the
 * epoch. What rests on the verification lasts no longer than the first of them.
 */
export function endsOf(evidence: Unlisted<VerificationResult>, crls: readonly (Uint8Array | string)[] = []): number[] {
  const ends: number[] = [];
  for (const certificate of Object.values(evidence.certificates ?? {}) as ({ notAfter: Date } | undefined)[]) {
    if (certificate !== undefined) ends.push(certificate.notAfter.getTime());
  }
  if (evidence.tee === 'tdx') {
    if (evidence.tcb !== undefined) ends.push(evidence.tcb.collateralExpires.getTime());
    return ends;
  }
  const root = evidence.certificates?.ark?.subject;
  for (const crl of root === undefined ? [] : crls) {
    const end = nextUpdateOf(crl, root as string);
    if (end !== undefined) ends.push(end);
  }
  return ends;
}

/** A list that cannot be read has failed verification, or is of no concern to it, as those of other roots. */
function nextUpdateOf(crl: Uint8Array | string, root: string): number | undefined {
  try {
    const { issuer, nextUpdate } = parseRevocationList(crl);
    return issuer.commonName === root ? nextUpdate?.getTime() : undefined;
  } catch {
    return undefined;
  }
}
