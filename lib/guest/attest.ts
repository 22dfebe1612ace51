import { AttestationError, ErrorCode } from '../base/errors.js';
import type { HttpSettings } from '../http/retry.js';
import { thimCertificates } from '../imds/thim.js';
import type { GuestEnvelope } from '../maa/guest-envelope.js';
import { postGuestEvidence } from '../maa/guest-service.js';
import type { VerifyTokenOptions } from '../token/options.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';
import { readEventLog } from './event-log-file.js';
import type { Guest } from './guest.js';
import { guestRequest, type IsolationEvidence, type OsInfo, type TpmEvidence } from './guest-request.js';
import { collectHclReport } from './hcl-report.js';
import { openGuestEnvelope } from './open-envelope.js';
import { readOsInfo } from './os-release.js';
import { collectTdQuote } from './td-quote.js';
import { together } from './together.js';
import { verifyOwnToken } from './token-verification.js';
import { collectQuoteAndKey } from './tpm-evidence.js';
import { tpmCall } from './tpm-failure.js';

/** The protocol has no nonce: the quote's qualifying data is empty. */
const QUOTE_REQUEST = { qualifyingData: new Uint8Array(), pcrs: ATTESTED_PCRS };

/** Where the evidence goes. */
export interface AttestationService {
  url: URL;
  settings: HttpSettings;
  /** Asked for: the token is verified before it is returned. */
  verification?: VerifyTokenOptions;
}

/** A token, and the key of this TPM that it was asked for. */
export interface Attestation {
  token: string;
  /** TPM2B_PUBLIC of the ephemeral key. */
  ephemeralKey: Uint8Array;
}

/**
 * One attestation: collects the evidence, shows it to the service, and unwraps the token that comes back.
 *
 * A token that the TPM cannot unwrap, or that does not open, is requested again with new evidence: a PCR change or a
 * TPM reset in between is the one cause that this cures. (The reference library posts the same evidence up to three
 * times again, which cures nothing that its retries do not.)
 *
 * @throws AttestationError see docs/errors.md; an `AbortError` when `signal` aborts.
 */
export async function attest(
  guest: Guest,
  service: AttestationService,
  clientPayload: Record<string, string> | null,
  signal?: AbortSignal,
): Promise<Attestation> {
  // All at the same time, and the TPM's queue is filled before anything is waited for: it goes from one command to the
  // next by itself. The signatures, which take it longest, come last; what was read before is made use of meanwhile.
  const [bodyWith, akPublic, akCertificate, firstQuoteAndKey] = await together(
    signal,
    (s) => prepareRequest(guest, clientPayload, s),
    (s) => readAttestationKey(guest, s),
    (s) => guest.akCertificate.current(s),
    (s) => collectQuoteAndKey(guest.tpm, QUOTE_REQUEST, s),
  );

  let quoteAndKey = firstQuoteAndKey;
  for (let repetitions = Math.min(service.settings.retry.retries, 1); ; repetitions--) {
    const body = bodyWith({ akCertificate, akPublic, ...quoteAndKey });
    const envelope = await untilAnswered(guest, postGuestEvidence(service, body, signal));
    let token: string;
    try {
      token = await openToken(guest, envelope, signal);
    } catch (error) {
      if (signal?.aborted || repetitions === 0) throw error;
      guest.logger.warn(`${(error as Error).message}: retrying with new evidence`);
      [quoteAndKey] = await together(signal, (s) => collectQuoteAndKey(guest.tpm, QUOTE_REQUEST, s));
      continue;
    }
    guest.keyTemplates.learn('zeros', quoteAndKey.ephemeralKey.publicArea);
    await guest.akCertificate.accepted(akCertificate);
    if (service.verification !== undefined) {
      await verifyOwnToken(token, quoteAndKey.ephemeralKey.publicArea, service.verification, signal);
    }
    return { token, ephemeralKey: quoteAndKey.ephemeralKey.publicArea };
  }
}

/** TPM2B_PUBLIC of the attestation key. */
async function readAttestationKey({ tpm }: Guest, signal: AbortSignal): Promise<Buffer> {
  const { publicArea } = await tpmCall(
    'the attestation key cannot be read',
    tpm.readPublic(AzureTpm.ATTESTATION_KEY, { signal }),
    { signal },
  );
  return publicArea;
}

/** Everything of the request that needs no signature of the TPM. */
async function prepareRequest(
  guest: Guest,
  clientPayload: Record<string, string> | null,
  signal: AbortSignal,
): Promise<(tpm: TpmEvidence) => string> {
  const [isolation, os, eventLog] = await together(
    signal,
    (s) => isolationEvidence(guest, s),
    async (s) => validOsInfo(await readOsInfo(guest.osReleasePath, s)),
    (s) => readEventLog(guest.eventLogPath, guest.logger, s),
  );
  return guestRequest({ clientPayload, os, eventLog, ...(isolation && { isolation }) });
}

/** As the reference client checks before it sends: a name, and a version that is not 0. */
function validOsInfo(os: OsInfo): OsInfo {
  if (os.distribution === '' || os.versionMajor === 0) {
    throw new AttestationError(
      ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED,
      'os-release has an empty NAME or a VERSION_ID of 0',
    );
  }
  return os;
}

/**
 * What a confidential VM shows besides its TPM; undefined on a trusted launch VM.
 *
 * @throws AttestationError 9 for any other kind of machine.
 */
async function isolationEvidence(guest: Guest, signal: AbortSignal): Promise<IsolationEvidence | undefined> {
  const hcl = await collectHclReport(guest.tpm, signal);
  if (hcl === undefined) return undefined;
  const { reportType, hardwareReport, variableData: runtimeData } = hcl.report;
  switch (reportType) {
    case 'snp': {
      const { vcekCert, certificateChain } = await thimCertificates(guest.imds, signal);
      return { type: 'SevSnp', snpReport: hardwareReport, vcekCertChain: vcekCert + certificateChain, runtimeData };
    }
    case 'tdx':
      return { type: 'Tdx', tdQuote: await collectTdQuote(guest, hardwareReport, signal), runtimeData };
    case 'tvm':
      return undefined;
    case 'vbs':
      throw new AttestationError(
        ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED,
        'this VM is isolated by VBS, which the guest attestation protocol here cannot attest',
      );
    case 'invalid':
      throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, 'the HCL report has no report type');
  }
}

/** While a service is at work, the TPM authorizes the decryption of what it will answer. */
export async function untilAnswered<T>({ tpm }: Pick<Guest, 'tpm'>, answer: Promise<T>): Promise<T> {
  const unanswered = new AbortController();
  // A failure costs nothing: the decryption, which is queued behind it, does it again and says what is wrong.
  tpm.prepareDecrypt({ pcrs: ATTESTED_PCRS }, { signal: unanswered.signal }).catch(() => {});
  try {
    return await answer;
  } catch (error) {
    unanswered.abort();
    throw error;
  }
}

async function openToken({ tpm }: Guest, envelope: GuestEnvelope, signal: AbortSignal | undefined): Promise<string> {
  const innerKey = await tpmCall(
    "the TPM cannot unwrap the token's key",
    tpm.rsaDecrypt(
      { ciphertext: envelope.encryptedInnerKey, pcrs: ATTESTED_PCRS, scheme: { scheme: 'RSAES' } },
      { ...(signal && { signal }) },
    ),
    { code: ErrorCode.JWT_DECRYPTION_TPM_ERROR, signal },
  );
  try {
    return openGuestEnvelope(envelope, innerKey);
  } finally {
    innerKey.fill(0);
  }
}
