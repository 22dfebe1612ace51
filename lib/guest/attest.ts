import { AttestationError, ErrorCode } from '../errors.js';
import type { HttpSettings } from '../http/retry.js';
import { thimCertificates } from '../imds/thim.js';
import { type GuestEnvelope, openGuestEnvelope } from '../maa/guest-envelope.js';
import {
  type GuestEvidence,
  guestRequestBody,
  type IsolationEvidence,
  type TpmEvidence,
} from '../maa/guest-request.js';
import { postGuestEvidence } from '../maa/guest-service.js';
import type { HclReport } from '../verify/types.js';
import { ATTESTED_PCRS, AzureTpm } from './azure-tpm.js';
import { readEventLog } from './event-log-file.js';
import type { Guest } from './guest.js';
import { collectHclReport } from './hcl-report.js';
import { type OsInfo, readOsInfo } from './os-release.js';
import { together } from './together.js';
import { collectQuote } from './tpm-evidence.js';
import { tpmCall } from './tpm-failure.js';

/** Where the evidence goes. */
export interface AttestationService {
  url: URL;
  settings: HttpSettings;
}

/**
 * One attestation: collects the evidence, shows it to the service, and unwraps the token that comes back.
 *
 * A token that the TPM cannot unwrap, or that does not open, is asked for once more with new evidence: a PCR change or a
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
): Promise<string> {
  const { tpm, logger } = guest;
  const akCertificate = await guest.akCertificate.current(signal);
  const os = validOsInfo(await readOsInfo(guest.osReleasePath, signal));
  const hcl = await collectHclReport(tpm, signal);
  const isConfidential = hcl !== undefined && isSevSnp(hcl.report);
  const takeTpmEvidence = (s: AbortSignal | undefined): Promise<TpmEvidence> =>
    collectTpmEvidence(guest, akCertificate, s);

  const [certificates, firstTpmEvidence] = await together(
    signal,
    async (s) => (isConfidential ? thimCertificates(guest.imds, s) : undefined),
    takeTpmEvidence,
  );
  const isolation: IsolationEvidence | undefined =
    hcl && certificates
      ? {
          snpReport: hcl.report.hardwareReport,
          vcekCertChain: certificates.vcekCert + certificates.certificateChain,
          runtimeData: hcl.report.variableData,
        }
      : undefined;
  const collected: Omit<GuestEvidence, 'tpm'> = {
    clientPayload,
    os,
    eventLog: await readEventLog(guest.eventLogPath, logger, signal),
    ...(isolation && { isolation }),
  };

  let tpmEvidence = firstTpmEvidence;
  for (let repetitions = Math.min(service.settings.retry.retries, 1); ; repetitions--) {
    const body = guestRequestBody({ ...collected, tpm: tpmEvidence });
    const envelope = await postGuestEvidence(service, body, signal);
    try {
      return await openToken(guest, envelope, signal);
    } catch (error) {
      if (signal?.aborted || repetitions === 0) throw error;
      logger.warn(`${(error as Error).message}: asking once more with new evidence`);
    }
    tpmEvidence = await takeTpmEvidence(signal);
  }
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

/** Whether the VM is attested as SEV-SNP (or else as trusted launch). @throws AttestationError 9 for any other kind. */
function isSevSnp(report: HclReport): boolean {
  switch (report.reportType) {
    case 'snp':
      return true;
    case 'tvm':
      return false;
    case 'tdx':
      throw notSupported(
        'this is an Intel TDX confidential VM, which the guest attestation protocol here cannot attest',
      );
    case 'vbs':
      throw notSupported('this VM is isolated by VBS, which the guest attestation protocol here cannot attest');
    case 'invalid':
      throw new AttestationError(ErrorCode.HCL_REPORT_PARSING_FAILURE, 'the HCL report has no report type');
  }
}

async function collectTpmEvidence(
  { tpm }: Guest,
  akCertificate: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<TpmEvidence> {
  const { publicArea: akPublic } = await tpmCall(
    'the attestation key cannot be read',
    tpm.readPublic(AzureTpm.ATTESTATION_KEY, { ...(signal && { signal }) }),
    { signal },
  );
  // The protocol has no nonce: the quote's qualifying data is empty.
  const request = { qualifyingData: new Uint8Array(), pcrs: ATTESTED_PCRS, certifyKey: true };
  const { ephemeralKey, ...quoted } = await collectQuote(tpm, request, signal);
  return { akCertificate, akPublic, ...quoted, ephemeralKey: ephemeralKey as NonNullable<typeof ephemeralKey> };
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

const notSupported = (message: string): AttestationError =>
  new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message);
