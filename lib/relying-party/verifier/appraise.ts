import { evidenceFromJson } from '../../abi/evidence-json.js';
import { encodeBase64url } from '../../base/base64url.js';
import { utf8Bytes } from '../../base/bytes.js';
import type { Check } from '../../base/errors.js';
import { sha2 } from '../../base/sha2.js';
import type { VerificationResult } from '../../verify/result.js';
import { type EvidenceDemands, examineEvidence } from '../evidence-examination.js';

/** What evidence is appraised with, besides the demands of the service. */
export interface AppraisalInput {
  /** JSON of evidence, parsed strictly, as `evidenceToJson` writes it. */
  evidence: object;
  /** What the quote must be over. */
  nonce?: { bytes: Uint8Array; context: string; isOwnProtocol: boolean };
}

/** The part of a check that anybody may read: what was expected would tell the policy. */
export type PublicCheck = Pick<Check, 'name' | 'ok' | 'code' | 'skipped' | 'subject'>;

/** The outcome of evidence, small enough to be passed between threads. */
export interface Appraisal {
  ok: boolean;
  checks: PublicCheck[];
  tee?: 'snp' | 'tdx';
  /** The quote of the proven attestation key is over the nonce that was asked for. */
  nonceProven: boolean;
  reportFresh: boolean;
  secureBoot?: boolean;
  /** RFC 7638 thumbprint of the proven attestation key, SHA-256, base64url. */
  akThumbprint?: string;
  /** When the first of the certificates ends, ms since the epoch. */
  notAfter?: number;
}

/**
 * Appraises evidence; the same in the service's thread and in a worker.
 *
 * @throws {AttestationError} 20 or 21 for JSON that is not evidence.
 */
export async function appraiseEvidence(input: AppraisalInput, demands: EvidenceDemands): Promise<Appraisal> {
  const { nonce } = input;
  const evidence = evidenceFromJson(input.evidence);
  const options = {
    ...demands,
    ...(nonce && { nonce: nonce.bytes }),
    ...(nonce && !nonce.isOwnProtocol && { context: nonce.context }),
  };
  const result = await examineEvidence(evidence, options, nonce?.isOwnProtocol ? nonce.context : undefined);
  return appraisalOf(result, nonce !== undefined);
}

function appraisalOf(result: VerificationResult, isNonceAsked: boolean): Appraisal {
  const appraisal: Appraisal = {
    ok: result.ok,
    checks: result.checks.map(publicCheck),
    nonceProven: result.ok && isNonceAsked,
    reportFresh: result.reportFresh,
  };
  if (result.tee !== undefined) appraisal.tee = result.tee;
  if (!result.ok) return appraisal;
  const configuration = result.claims?.['vm-configuration'];
  const secureBoot = (configuration as Record<string, unknown> | undefined)?.['secure-boot'];
  if (typeof secureBoot === 'boolean') appraisal.secureBoot = secureBoot;
  const akThumbprint = attestationKeyThumbprint(result);
  // Without a quote nothing shows that the key is in use.
  if (akThumbprint !== undefined && result.quote !== undefined) appraisal.akThumbprint = akThumbprint;
  const notAfter = firstEnd(result);
  if (notAfter !== undefined) appraisal.notAfter = notAfter;
  return appraisal;
}

export function publicCheck({ name, ok, code, skipped, subject }: Check): PublicCheck {
  return {
    name,
    ok,
    ...(code !== undefined && { code }),
    ...(skipped !== undefined && { skipped }),
    ...(subject !== undefined && { subject }),
  };
}

function attestationKeyThumbprint({ claims }: VerificationResult): string | undefined {
  const keys = (claims?.keys ?? []).filter(({ kid }) => kid === 'HCLAkPub');
  const [key] = keys;
  if (keys.length !== 1 || key === undefined) return undefined;
  const { n, e } = key as { n?: unknown; e?: unknown };
  if (typeof n !== 'string' || typeof e !== 'string') return undefined;
  return encodeBase64url(sha2('SHA-256', utf8Bytes(`{"e":"${e}","kty":"RSA","n":"${n}"}`)));
}

function firstEnd(result: VerificationResult): number | undefined {
  const certificates = Object.values(result.certificates ?? {}) as ({ notAfter?: Date } | undefined)[];
  const ends = certificates.flatMap((certificate) => certificate?.notAfter?.getTime() ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
