import type { EvidenceFacts, SnpFacts, TdxCertificateFacts, TdxFacts, VerificationFacts } from '../../verify/result.js';

/** What the commands show of a verification: of a report or quote alone, or of evidence, proven or refused, of either TEE. */
export type ShownResult = VerificationFacts & { ok: boolean; tee?: 'snp' | 'tdx' } & Partial<EvidenceFacts> &
  Partial<SnpFacts> &
  Partial<Omit<TdxFacts, 'certificates'>> & { tdxCertificates?: TdxCertificateFacts };

type Verification = VerificationFacts & { ok: boolean; tee?: 'snp' | 'tdx' } & Partial<EvidenceFacts> &
  (Partial<SnpFacts> | Partial<TdxFacts>);

/** The certificates of the two TEEs, which have the same name in results, under one name each. */
export function shownResult(result: Verification): ShownResult {
  const { certificates, ...rest } = result;
  if (certificates === undefined) return rest;
  return 'pck' in certificates ? { ...rest, tdxCertificates: certificates } : { ...rest, certificates };
}
