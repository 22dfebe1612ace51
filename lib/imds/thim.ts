import { AttestationError, ErrorCode } from '../base/errors.js';
import { abortSignal } from '../base/option-kinds.js';
import { checkOptions, type OptionTable } from '../base/options.js';
import { parseStrictJson } from '../base/strict-json.js';
import type { TransportContext } from '../http/own-transport.js';
import { askImds, IMDS_OPTIONS, type Imds, type ImdsOptions, imdsOf } from './imds.js';

/** What the host's certificate service (THIM) knows about its chip. Unverified: a verifier checks it against AMD's root. */
export interface ThimCertificates {
  /** VCEK in PEM, exactly as it was returned. */
  vcekCert: string;
  /** ASK and ARK in PEM, exactly as they were returned. */
  certificateChain: string;
}

/**
 * VCEK and chain of the host, from `GET /metadata/THIM/amd/certification`.
 *
 * @throws AttestationError 18 for an empty answer, 16 for one that is not a JSON object, 17 when a certificate is missing
 * or no PEM; 4, 5 and 7 as for every exchange.
 */
export async function thimCertificates(imds: Imds, signal?: AbortSignal): Promise<ThimCertificates> {
  const body = await askImds(imds, { method: 'GET', path: '/metadata/THIM/amd/certification', required: true }, signal);
  if (body.length === 0) {
    throw new AttestationError(ErrorCode.EMPTY_RESPONSE, "the host's certificate service returned nothing");
  }
  const answer = jsonObject(body);
  return { vcekCert: pem(answer, 'vcekCert'), certificateChain: pem(answer, 'certificateChain') };
}

const THIM_OPTIONS: OptionTable<ImdsOptions & { signal?: AbortSignal }> = { ...IMDS_OPTIONS, signal: abortSignal };

/**
 * The same for a caller without a client, for instance to verify a saved report on the VM that made it.
 *
 * @throws AttestationError as {@link thimCertificates}, and 8 for an option out of range.
 */
export async function fetchThimCertificatesIn(
  context: TransportContext,
  options: ImdsOptions & { signal?: AbortSignal } = {},
): Promise<{ vcek: string; chain: string }> {
  const { signal, ...imds } = checkOptions('fetchThimCertificates', options, THIM_OPTIONS);
  const { vcekCert, certificateChain } = await thimCertificates(imdsOf(context, imds), signal);
  return { vcek: vcekCert, chain: certificateChain };
}

function jsonObject(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(body);
  } catch (cause) {
    throw notJson(cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notJson();
  return value as Record<string, unknown>;
}

function pem(answer: Record<string, unknown>, member: string): string {
  const text = answer[member];
  if (typeof text === 'string' && /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.test(text)) return text;
  throw new AttestationError(
    ErrorCode.EMPTY_VCEK_CERT,
    `the answer of the host's certificate service has no certificate in ${member}`,
  );
}

const notJson = (cause?: unknown): AttestationError =>
  new AttestationError(
    ErrorCode.INVALID_JSON_RESPONSE,
    "the answer of the host's certificate service is not a JSON object",
    cause === undefined ? {} : { cause },
  );
