import { AttestationError, ErrorCode } from '../base/errors.js';
import { parseStrictJson } from '../base/strict-json.js';
import { exchange } from '../http/exchange.js';
import type { HttpSettings } from '../http/retry.js';
import { type GuestEnvelope, parseGuestEnvelope } from './guest-envelope.js';

/** Longest answer of the attestation service that is read: a hundred times the usual. */
export const MAX_SERVICE_ANSWER_BYTES = 1024 * 1024;

/**
 * Shows the evidence to the attestation service: `POST {service}attest/AzureGuest?api-version=2020-10-01`.
 *
 * @throws AttestationError 6 when the service refuses it (400, its words in the message and in `responseBody`); 4 when
 * it kept failing (408, 429, 5xx); 5 for any other status; 7 when it cannot be reached or does not answer; 28 when the
 * answer is not a JSON object or too long; 14 when it carries no usable token.
 */
export async function postGuestEvidence(
  service: { url: URL; settings: HttpSettings },
  body: string,
  signal?: AbortSignal,
): Promise<GuestEnvelope> {
  const answer = await exchange(
    service.settings,
    {
      method: 'POST',
      url: new URL('/attest/AzureGuest?api-version=2020-10-01', service.url),
      headers: { 'Content-Type': 'application/json' },
      body,
    },
    {
      name: 'the attestation service',
      unreadable: ErrorCode.PARSING_ATTESTATION_RESPONSE,
      refusal: ErrorCode.ATTESTATION_FAILED,
    },
    signal,
  );
  return parseGuestEnvelope(tokenOf(answer));
}

function tokenOf(body: Uint8Array): string {
  let answer: unknown;
  try {
    answer = parseStrictJson(body);
  } catch {
    // The parser's message would quote the answer, which may hold a token.
    throw unparsable('no JSON');
  }
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw unparsable('no JSON object');
  const token: unknown = (answer as { token?: unknown }).token;
  if (typeof token !== 'string' || token === '') {
    throw new AttestationError(ErrorCode.JWT_DECRYPTION_FAILED, "the service's answer holds no token");
  }
  return token;
}

const unparsable = (what: string): AttestationError =>
  new AttestationError(ErrorCode.PARSING_ATTESTATION_RESPONSE, `the answer of the attestation service is ${what}`);
