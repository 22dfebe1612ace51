import type { Evidence, EvidenceCertificates, EvidenceQuote } from '../abi/evidence.js';
import { stringifiable } from '../abi/evidence-json.js';
import { parseHclReport } from '../abi/hcl-report.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { qualifyingData } from '../base/qualifying-data.js';
import { thimCertificates } from '../imds/thim.js';
import { ATTESTED_PCRS } from './azure-tpm.js';
import { readEventLog } from './event-log-file.js';
import type { Guest } from './guest.js';
import { type CollectedHclReport, collectHclReport } from './hcl-report.js';
import { collectTdQuote } from './td-quote.js';
import { together } from './together.js';
import { collectQuote, collectQuoteAndKey, type QuotedPcrs } from './tpm-evidence.js';
import type { UserDataReports } from './user-data.js';

export interface EvidenceOptions {
  /**
   * Qualifying data of the quote: the verifier's challenge, 1 to 64 bytes. Default none. Without a `context` it must not
   * begin with the 8 bytes `CGA-qdv1`.
   */
  nonce?: Uint8Array;
  /**
   * Name of the protocol that the nonce belongs to, 1 to 32 characters `a–z0–9-`: then the quote is over `CGA-qdv1` ‖
   * SHA-256(context ‖ 0x00 ‖ nonce), and the verifier gives the same context. Needs a nonce.
   */
  context?: string;
  /** Put into the hardware-signed report by way of its runtime claims, at most 64 bytes, zero-padded. Takes up to 3 s. */
  userData?: Uint8Array;
  /** PCRs that are quoted, from the SHA-256 bank. Default all 24. */
  pcrs?: readonly number[];
  /** Whether the TPM is asked for a quote, and to certify the ephemeral key. Default true. */
  quote?: boolean;
  /** VCEK and chain: true (the default) asks the host's certificate service (THIM), false leaves them out. */
  certificates?: boolean | EvidenceCertificates;
  signal?: AbortSignal;
}

/** Everything in evidence but what a nonce or the running system changes. */
export type StandingEvidence = Omit<Evidence, 'quote' | 'ephemeralKey' | 'eventLog'>;

/** What only protocols of this package ask for. */
export interface ProtocolEvidenceOptions extends EvidenceOptions {
  /**
   * Evidence of this machine that was collected before: only the quote and the event log are new. The ephemeral key is left
   * out, a protocol that encrypts to it collects everything.
   */
  standing?: StandingEvidence;
}

/** TPM_RC_HANDLE for the first handle: what NV_Read answers for an index that is not defined. */
const RC_NO_SUCH_INDEX = 0x18b;
const NO_DATA = new Uint8Array();
const ALL_PCRS = Array.from({ length: 24 }, (_, index) => index);

/**
 * Everything that this guest can show about itself: HCL report, certificates, quote over PCRs, certified ephemeral key,
 * attestation key certificate, event log. What a verifier makes of it: `verifyEvidence`.
 *
 * @param options checked already
 * @throws AttestationError 13 when the TPM fails or has no HCL report; 9, 20, 21 when what it
 * returns is not evidence; 4, 5, 7, 16, 17, 18 when the certificates are not available, 30 when the TD quote
 * cannot; an `AbortError` when `signal` aborts.
 */
export async function collectEvidence(
  guest: Guest & { userDataReports: UserDataReports },
  options: ProtocolEvidenceOptions,
): Promise<Evidence> {
  const { signal, userData, pcrs = ALL_PCRS, standing } = options;
  const request = options.quote === false ? undefined : { qualifyingData: quotedData(options), pcrs };
  if (standing !== undefined && request !== undefined) return quotedAgain(guest, standing, request, signal);

  const { bytes, report } = await hclReport(guest, userData, signal);
  const [certificates, tdQuote, fromTpm] = await together(
    signal,
    (s) => certificatesFor(guest, report.reportType === 'snp' ? options.certificates : false, s),
    async (s) => (report.reportType === 'tdx' ? collectTdQuote(guest, report.hardwareReport, s) : undefined),
    (s) => tpmEvidence(guest, request, s),
  );
  const eventLog = await readEventLog(guest.eventLogPath, guest.logger, signal);
  return stringifiable({
    version: 1,
    hclReport: bytes,
    ...fromTpm,
    ...(certificates && { certificates }),
    ...(tdQuote && { tdQuote }),
    ...(eventLog.length > 0 && { eventLog }),
  });
}

async function quotedAgain(
  guest: Guest,
  standing: StandingEvidence,
  request: { qualifyingData: Uint8Array; pcrs: readonly number[] },
  signal: AbortSignal | undefined,
): Promise<Evidence> {
  const quote = evidenceQuote(await collectQuote(guest.tpm, request, signal));
  const eventLog = await readEventLog(guest.eventLogPath, guest.logger, signal);
  return stringifiable({ ...standing, quote, ...(eventLog.length > 0 && { eventLog }) });
}

function quotedData({ nonce, context }: EvidenceOptions): Uint8Array {
  if (nonce === undefined) return NO_DATA;
  return context === undefined ? nonce : qualifyingData(context, nonce);
}

async function hclReport(
  guest: Guest & { userDataReports: UserDataReports },
  userData: Uint8Array | undefined,
  signal: AbortSignal | undefined,
): Promise<CollectedHclReport> {
  if (userData !== undefined) {
    const bytes = await guest.userDataReports.collect(guest.tpm, userData, signal);
    return { bytes, report: parseHclReport(bytes) };
  }
  const hcl = await collectHclReport(guest.tpm, signal);
  if (hcl === undefined) {
    throw new AttestationError(
      ErrorCode.TPM_OPERATION_FAILURE,
      'NV index 0x01400001 is not defined: this is not a confidential VM',
      { tpmErrorCode: RC_NO_SUCH_INDEX },
    );
  }
  return hcl;
}

async function certificatesFor(
  guest: Guest,
  source: boolean | EvidenceCertificates | undefined,
  signal: AbortSignal,
): Promise<EvidenceCertificates | undefined> {
  if (source === false) return undefined;
  if (typeof source === 'object') return source;
  const { vcekCert, certificateChain } = await thimCertificates(guest.imds, signal);
  return { vcek: vcekCert, chain: certificateChain };
}

async function tpmEvidence(
  guest: Guest,
  request: { qualifyingData: Uint8Array; pcrs: readonly number[] } | undefined,
  signal: AbortSignal,
): Promise<Pick<Evidence, 'akCertificate' | 'akCertificateChain' | 'quote' | 'ephemeralKey'>> {
  const [certificate, quoted] = await together(
    signal,
    (s) => guest.akCertificate.evidence(s),
    async (s) => (request === undefined ? {} : quoteAndKey(guest, request, s)),
  );
  return { ...certificate, ...quoted };
}

async function quoteAndKey(
  { tpm, keyTemplates }: Guest,
  request: { qualifyingData: Uint8Array; pcrs: readonly number[] },
  signal: AbortSignal,
): Promise<Pick<Evidence, 'quote' | 'ephemeralKey'>> {
  // A verifier can tell that the key is bound to PCRs 0–7 only when it sees them quoted.
  const certifyKey = ATTESTED_PCRS.every((pcr) => request.pcrs.includes(pcr));
  if (!certifyKey) return { quote: evidenceQuote(await collectQuote(tpm, request, signal)) };
  const { ephemeralKey, ...quoted } = await collectQuoteAndKey(tpm, request, signal);
  keyTemplates.learn('zeros', ephemeralKey.publicArea);
  return { quote: evidenceQuote(quoted), ephemeralKey };
}

function evidenceQuote({ quote, pcrs }: QuotedPcrs): EvidenceQuote {
  return { ...quote, pcrs: { alg: 'sha256', values: Object.fromEntries(pcrs) } };
}
