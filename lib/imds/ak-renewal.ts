import { delay } from '../base/abort.js';
import { readableText } from '../base/bytes.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { askImds, type Imds } from './imds.js';

const RENEW_PATH = '/metadata/THIM/tvm/certificate/renew';
const QUERY_PATH = '/metadata/THIM/tvm/certificate/query';
/** Answers at once, with JSON. */
const SYNCHRONOUS = '2023-07-01';
/** Answers with a ticket for the query. */
const ASYNCHRONOUS = '2021-12-01';

/** How long a ticket may take; the reference library sleeps once for as long. */
const QUERY_WAITS_MS: readonly number[] = [2_000, 4_000, 8_000, 16_000, 30_000];

/**
 * Has the host issue a new certificate for the attestation key, and returns it in PEM. Nothing in it is trusted here.
 *
 * Hosts answer at once, or, when they return nothing, by a ticket that is asked after for up to a minute.
 *
 * @throws AttestationError 32 when the answer is not what it must be; 4, 5 and 7 as for every exchange.
 */
export async function renewAkCertificate(
  service: Imds,
  currentPem: string,
  signal?: AbortSignal,
  queryWaitsMs: readonly number[] = QUERY_WAITS_MS,
): Promise<string> {
  // The old certificate still serves: an outage is not waited out for a new one.
  const imds = { ...service, settings: { ...service.settings, retry: { ...service.settings.retry, outageMs: 0 } } };
  const vmId = await vmIdentifier(imds, signal);
  const requestId = crypto.randomUUID();
  const renew = async (apiVersion: string): Promise<string> => {
    const query = new URLSearchParams({ 'api-version': apiVersion, vmId, requestId });
    const answer = await askImds(
      imds,
      {
        method: 'POST',
        path: `${RENEW_PATH}?${query}`,
        contentType: 'application/x-www-form-urlencoded',
        body: encodeURIComponent(currentPem),
      },
      signal,
    );
    return readableText(answer).trim();
  };

  const renewed = certificateOf(await renew(SYNCHRONOUS));
  if (renewed !== '') return renewed;
  const guid = ticketOf(await renew(ASYNCHRONOUS));
  const query = new URLSearchParams({ 'api-version': ASYNCHRONOUS, vmId, requestId, guid });
  for (const wait of queryWaitsMs) {
    await delay(wait, signal);
    const pem = readableText(await askQuery(imds, `${QUERY_PATH}?${query}`, signal)).trim();
    if (pem !== '') return pem;
  }
  throw failed('the host has not issued a new certificate within a minute');
}

/** A 404 means that the certificate is not there yet, and this loop has its own waits. */
function askQuery(imds: Imds, path: string, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const once = { ...imds, settings: { ...imds.settings, retry: { ...imds.settings.retry, retries: 0 } } };
  return askImds(once, { method: 'GET', path }, signal).catch((error: unknown) => {
    if (error instanceof AttestationError && error.status === 404) return new Uint8Array();
    throw error;
  });
}

/** Id of this VM as the host has it. @throws AttestationError 32 when there is none */
export async function vmIdentifier(imds: Imds, signal: AbortSignal | undefined): Promise<string> {
  const path = '/metadata/instance/compute/vmId?api-version=2019-03-11&format=text';
  const vmId = readableText(await askImds(imds, { method: 'GET', path }, signal)).trim();
  if (!/^[0-9A-Fa-f-]{1,64}$/.test(vmId)) throw failed('instance metadata has no id of this VM');
  return vmId;
}

/** `AkCertPem` of the synchronous answer; empty when there is none yet. */
function certificateOf(answer: string): string {
  if (answer === '') return '';
  let pem: unknown;
  try {
    pem = JSON.parse(answer)?.AkCertPem;
  } catch (cause) {
    throw failed('the answer to the renewal is not JSON', cause);
  }
  if (pem === undefined || pem === null) return '';
  if (typeof pem !== 'string') throw failed('AkCertPem of the renewal is not text');
  return pem.trim();
}

function ticketOf(answer: string): string {
  const guid = /^"?([A-Za-z0-9-]{1,128})"?$/.exec(answer)?.[1];
  if (guid === undefined) throw failed('the answer to the renewal is not a ticket');
  return guid;
}

const failed = (message: string, cause?: unknown): AttestationError =>
  new AttestationError(ErrorCode.AK_CERT_RENEW, message, cause === undefined ? {} : { cause });
