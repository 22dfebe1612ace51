import { createHash } from 'node:crypto';
import { evidenceFromJson } from '../../abi/evidence-json.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { encodeBase64 } from '../../base/base64url.js';
import type { Check } from '../../base/errors.js';
import type { VerificationResult } from '../../verify/result.js';
import { challengeBytes } from '../challenge-format.js';
import { type EvidenceDemands, examineEvidence } from '../evidence-examination.js';
import { parseEvidenceRequest } from './requests.js';

/** What is the same for every request of a service, and may be passed between threads. */
export interface AppraisalTerms {
  demands: EvidenceDemands;
  audiences: readonly string[];
  contexts: readonly string[];
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

/** What a request asked for, as it stands in it: whether its challenge was issued here is not known yet. */
export interface AppraisedRequest {
  audience: string;
  challenge?: string;
  /** A relying party's own. */
  nonce?: string;
  appraisal: Appraisal;
  /** The TD quote, base64, of evidence of which nothing is wrong but that there is no collateral. */
  lacksCollateral?: string;
}

/** What checks say where collateral is all that is missing. */
const WITHOUT_COLLATERAL: readonly string[] = ['ERR_COLLATERAL_MISSING', 'ERR_NOT_CHECKED'];

/** Context of this service's own challenges. */
export const CHALLENGE_CONTEXT = 'verifier-v1';

/**
 * Appraises the body of `POST /v1/evidence`; the same in the service's thread and in a worker.
 *
 * @param collateral that was fetched, for evidence that was found to lack it
 *
 * @throws {ServiceRefusal} for a request that is malformed.
 * @throws {VerificationError} `ERR_CHALLENGE_FORMAT`
 * @throws {AttestationError} 20 or 21 for JSON that is not evidence.
 */
export async function appraiseRequest(
  body: string,
  { demands, audiences, contexts }: AppraisalTerms,
  collateral?: TdxCollateral,
): Promise<AppraisedRequest> {
  const { audience, challenge, nonce, evidence: given } = parseEvidenceRequest(body, audiences, contexts);
  const asked = challenge === undefined ? nonce?.bytes : challengeBytes(challenge);
  const options = {
    ...demands,
    ...(asked && { nonce: asked }),
    ...(nonce && { context: nonce.context }),
    ...(collateral && { collateral }),
  };
  const protocol = challenge === undefined ? undefined : CHALLENGE_CONTEXT;
  const evidence = evidenceFromJson(given);
  const result = await examineEvidence(evidence, options, protocol);
  const lacksCollateral =
    evidence.tdQuote !== undefined &&
    evidence.tdxCollateral === undefined &&
    options.collateral === undefined &&
    result.checks.every(({ ok, code = '' }) => ok || WITHOUT_COLLATERAL.includes(code));
  return {
    audience,
    ...(challenge !== undefined && { challenge }),
    ...(nonce && { nonce: nonce.text }),
    appraisal: appraisalOf(result, asked !== undefined),
    ...(lacksCollateral && { lacksCollateral: encodeBase64(evidence.tdQuote as Uint8Array) }),
  };
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
  return createHash('sha256').update(`{"e":"${e}","kty":"RSA","n":"${n}"}`).digest('base64url');
}

function firstEnd(result: VerificationResult): number | undefined {
  const certificates = Object.values(result.certificates ?? {}) as ({ notAfter?: Date } | undefined)[];
  const ends = certificates.flatMap((certificate) => certificate?.notAfter?.getTime() ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
