import { createHash } from 'node:crypto';
import { evidenceFromJson } from '../../abi/evidence-json.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { encodeBase64 } from '../../base/base64url.js';
import type { Outcome } from '../../base/checks.js';
import type { Check } from '../../base/errors.js';
import { challengeBytes } from '../challenge-format.js';
import { endsOf } from '../evidence-ends.js';
import {
  type EvidenceDemands,
  EvidenceExaminer,
  type EvidenceExchange,
  type Examination,
  lacksOnly,
} from '../evidence-examination.js';
import { type WantedCrl, wantedCrl } from '../revocation-lists.js';
import { parseEvidenceRequest } from './requests.js';

/** What is the same for every request of a service, and may be passed between threads. */
export interface AppraisalTerms {
  demands: EvidenceDemands;
  /** Given once for all. */
  collateral?: TdxCollateral;
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
  /** When the first of what the verdict rests on ends: certificates, collateral, revocation lists; ms since the epoch. */
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
  /** The list of AMD that is all that evidence lacks. */
  lacksCrl?: WantedCrl;
}

/** What was fetched for evidence, or for earlier evidence. */
export interface Fetched {
  collateral?: TdxCollateral | undefined;
  /** Revocation lists; none at all say that they are fetched, and that one is missed where it is not among them. */
  crls?: readonly (Uint8Array | string)[] | undefined;
}

/** Context of this service's own challenges. */
export const CHALLENGE_CONTEXT = 'verifier-v1';

/** Appraises the bodies of `POST /v1/evidence`; the same in the service's thread and in a worker. */
export class Appraiser {
  readonly #terms: AppraisalTerms;
  readonly #examiner: EvidenceExaminer;

  /** @throws {AttestationError} 8 */
  constructor(terms: AppraisalTerms) {
    this.#terms = terms;
    this.#examiner = new EvidenceExaminer('createVerifierService', terms.demands);
  }

  /**
   * @param fetched in place of what is given for all
   *
   * @throws {ServiceRefusal} for a request that is malformed.
   * @throws {VerificationError} `ERR_CHALLENGE_FORMAT`
   * @throws {AttestationError} 20 or 21 for JSON that is not evidence.
   */
  async appraise(body: string, fetched: Fetched = {}): Promise<AppraisedRequest> {
    const { audiences, contexts } = this.#terms;
    const { audience, challenge, nonce, evidence: given } = parseEvidenceRequest(body, audiences, contexts);
    const asked = challenge === undefined ? nonce?.bytes : challengeBytes(challenge);
    const { collateral = this.#terms.collateral, crls } = fetched;
    const exchange: EvidenceExchange = {};
    if (asked !== undefined) exchange.nonce = asked;
    if (nonce !== undefined) exchange.context = nonce.context;
    if (collateral !== undefined) exchange.collateral = collateral;
    if (crls !== undefined) exchange.crls = crls;
    const evidence = evidenceFromJson(given);
    const examined = await this.#examiner.examine(
      evidence,
      exchange,
      challenge === undefined ? undefined : CHALLENGE_CONTEXT,
    );
    const lacksCollateral =
      evidence.tdQuote !== undefined &&
      evidence.tdxCollateral === undefined &&
      collateral === undefined &&
      lacksOnly(examined, ['ERR_COLLATERAL_MISSING']);
    const lacksCrl =
      crls !== undefined && !examined.result.ok && lacksOnly(examined, ['ERR_CRL'])
        ? crlOf(examined.result)
        : undefined;
    return {
      audience,
      ...(challenge !== undefined && { challenge }),
      ...(nonce && { nonce: nonce.text }),
      appraisal: appraisalOf(examined, asked !== undefined, crls ?? this.#terms.demands.crls),
      ...(lacksCollateral && { lacksCollateral: encodeBase64(evidence.tdQuote as Uint8Array) }),
      ...(lacksCrl && { lacksCrl }),
    };
  }
}

function crlOf(result: Examination['result']): WantedCrl | undefined {
  if (result.tee !== 'snp' || result.report === undefined) return undefined;
  // Of the certificates: a report before version 3 names no processor.
  return wantedCrl({ ...result.report, ...(result.product && { product: result.product }) });
}

function appraisalOf({ result, list }: Examination, isNonceAsked: boolean, crls: EvidenceDemands['crls']): Appraisal {
  const appraisal: Appraisal = {
    ok: result.ok,
    checks: list.outcomes.map(publicOutcome),
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
  const ends = endsOf(result, crls);
  if (ends.length > 0) appraisal.notAfter = Math.min(...ends);
  return appraisal;
}

function publicOutcome({ subject, name, ok, code, skipped }: Outcome): PublicCheck {
  const check: PublicCheck = { name, ok };
  if (!ok) check.code = code;
  if (skipped) check.skipped = true;
  if (subject !== undefined) check.subject = subject;
  return check;
}

/** The same of a check in words. */
export function publicCheck({ name, ok, code, skipped, subject }: Check): PublicCheck {
  return {
    name,
    ok,
    ...(code !== undefined && { code }),
    ...(skipped !== undefined && { skipped }),
    ...(subject !== undefined && { subject }),
  };
}

function attestationKeyThumbprint({ claims }: Examination['result']): string | undefined {
  const keys = (claims?.keys ?? []).filter(({ kid }) => kid === 'HCLAkPub');
  const [key] = keys;
  if (keys.length !== 1 || key === undefined) return undefined;
  const { n, e } = key as { n?: unknown; e?: unknown };
  if (typeof n !== 'string' || typeof e !== 'string') return undefined;
  return createHash('sha256').update(`{"e":"${e}","kty":"RSA","n":"${n}"}`).digest('base64url');
}
