import { decodeBase64, decodeBase64url, encodeBase64url } from '../base/base64url.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { isJsonObject, parseStrictJson } from '../base/strict-json.js';
import { askImds, type Imds } from './imds.js';

const PATH = '/acc/tdquote';
/** Quotes of Azure have 5,006 bytes, padding included. */
const MAX_QUOTE_BYTES = 16 * 1024;

/**
 * Has the host turn a TDREPORT into a quote that others can verify: `POST /acc/tdquote` (tdx.md 1). Asking twice is as good
 * as once, so it is repeated like a GET; every TDX guest on Azure has the path, so a 404 says that it is away.
 *
 * @param tdReport 1024 bytes, as the HCL report holds them
 * @returns the quote as it came, padding included; unverified
 * @throws AttestationError 30 when there is no quote in the answer, 16 when it is not JSON or too long; 4, 5 and 7 as for
 * every exchange.
 */
export async function tdQuote(imds: Imds, tdReport: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
  const body = await askImds(
    imds,
    {
      method: 'POST',
      path: PATH,
      contentType: 'application/json',
      body: JSON.stringify({ report: encodeBase64url(tdReport) }),
      repeatable: true,
      required: true,
    },
    signal,
  );
  if (body.length === 0) throw noQuote('is empty');
  const text = quoteMember(body);
  if (text === undefined || text === '') throw noQuote('has no quote');
  // Microsoft's clients accept either alphabet.
  const quote = decodeBase64url(text) ?? decodeBase64(text);
  if (quote === undefined) throw unreadable('has a quote that is not base64');
  if (quote.length === 0) throw noQuote('has no quote');
  if (quote.length > MAX_QUOTE_BYTES) throw unreadable(`has a quote of more than ${MAX_QUOTE_BYTES} bytes`);
  return quote;
}

function quoteMember(body: Uint8Array): string | undefined {
  let answer: unknown;
  try {
    answer = parseStrictJson(body);
  } catch (cause) {
    throw unreadable('is not JSON', cause);
  }
  if (!isJsonObject(answer)) throw unreadable('is not a JSON object');
  const { quote } = answer;
  if (quote === undefined || quote === null) return undefined;
  if (typeof quote !== 'string') throw unreadable('has a quote that is not a string');
  return quote;
}

const SERVICE = "the answer of the host's quoting service";

const noQuote = (why: string): AttestationError => new AttestationError(ErrorCode.EMPTY_TD_QUOTE, `${SERVICE} ${why}`);

const unreadable = (why: string, cause?: unknown): AttestationError =>
  new AttestationError(ErrorCode.INVALID_JSON_RESPONSE, `${SERVICE} ${why}`, cause === undefined ? {} : { cause });
