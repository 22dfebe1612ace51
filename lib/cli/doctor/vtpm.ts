import { createPublicKey, X509Certificate } from 'node:crypto';
import { isNativeError } from '../../native.js';
import { NativeTpm } from '../../tpm/native-tpm.js';
import { CONFIDENTIAL_SIZES, type DoctorEnvironment } from './environment.js';
import { type Finding, ok, problem, reason, skipped, warning } from './finding.js';

const LIBRARY = { id: 'tpm-library', title: 'TPM libraries (libtss2)' };
const ANSWER = { id: 'tpm', title: 'TPM' };
const BANKS = { id: 'pcr-banks', title: 'PCR banks' };
const HCL = { id: 'hcl-report-index', title: 'HCL report (NV 0x01400001)' };
const AK = { id: 'ak', title: 'Attestation key (0x81000003)' };
const CERTIFICATE_INDEX = { id: 'ak-certificate-index', title: 'AK certificate (NV 0x01C101D0)' };
const CERTIFICATE = { id: 'ak-certificate', title: 'AK certificate' };

const HCL_REPORT_INDEX = 0x01400001;
const AK_CERTIFICATE_INDEX = 0x01c101d0;
const AK_HANDLE = 0x81000003;
/** TPMA_NV_WRITTEN (TPM 2.0 part 2, section 13.4). */
const NV_WRITTEN = 1 << 29;
const RENEWAL_DAYS = 90;
const DAY = 24 * 60 * 60 * 1000;
const COMMAND_TIMEOUT_MS = 5_000;

/** What the TPM holds. `usable` tells whether it is worth trying to read a report and to attest. */
export async function examineVtpm(
  environment: DoctorEnvironment,
  device: readonly Finding[],
): Promise<{ findings: Finding[]; usable: boolean }> {
  if (device.some(({ status }) => status === 'problem')) {
    const findings = [ANSWER, BANKS, HCL, AK, CERTIFICATE_INDEX].map((about) => skipped(about, 'needs the TPM device'));
    return { findings, usable: false };
  }
  const tpm = new NativeTpm({ tcti: environment.tcti, commandTimeoutMs: COMMAND_TIMEOUT_MS });
  try {
    const opened = await examineAnswer(tpm);
    if (opened.some(({ status }) => status === 'problem')) {
      const rest = [HCL, AK, CERTIFICATE_INDEX].map((about) => skipped(about, 'needs a TPM that answers'));
      return { findings: [...opened, ...rest], usable: false };
    }
    const report = await examineHclIndex(tpm);
    const key = await examineKey(tpm);
    const findings = [...opened, report, key.finding, ...(await examineCertificate(tpm, key.modulus))];
    return { findings, usable: report.status === 'ok' && key.finding.status === 'ok' };
  } finally {
    await tpm.close();
  }
}

async function examineAnswer(tpm: NativeTpm): Promise<Finding[]> {
  try {
    const { pcrBanks, ...rest } = await tpm.capabilities();
    const banks = pcrBanks.filter(({ pcrs }) => pcrs.length > 0);
    const sha256 = banks.find(({ algorithm }) => algorithm === 'sha256');
    const complete = [0, 1, 2, 3, 4, 5, 6, 7].every((index) => sha256?.pcrs.includes(index));
    const named = banks.map(({ algorithm }) => algorithm).join(', ') || 'none';
    const answer = Object.entries(rest)
      .filter(([, value]) => typeof value === 'string')
      .map(([, value]) => String(value).trim());
    return [
      ok(LIBRARY, 'found'),
      ok(ANSWER, answer.filter((text) => text !== '').join(', ') || 'answers'),
      complete
        ? ok(BANKS, named)
        : problem(BANKS, `SHA-256 is not among the banks in use (${named})`, {
            meaning: 'Nothing that was measured at boot is in the bank that attestation quotes.',
            action: 'Allocate the SHA-256 bank in the firmware settings and restart.',
          }),
    ];
  } catch (error) {
    return notOpened(error);
  }
}

function notOpened(error: unknown): Finding[] {
  const banks = skipped(BANKS, 'needs a TPM that answers');
  if (isNativeError(error) && error.kind === 'tpm-unavailable' && /tpm2-tss cannot be loaded/.test(error.message)) {
    const action =
      'Install tpm2-tools, which brings them: sudo apt-get install tpm2-tools (Debian, Ubuntu), sudo dnf install tpm2-tools (RHEL, Azure Linux).';
    return [
      problem(LIBRARY, reason(error), { meaning: 'The TPM cannot be spoken to.', action }),
      skipped(ANSWER, 'needs the TPM libraries'),
      banks,
    ];
  }
  const code =
    isNativeError(error) && error.tpmErrorCode !== 0 ? ` (TSS2_RC 0x${error.tpmErrorCode.toString(16)})` : '';
  return [
    isNativeError(error) ? ok(LIBRARY, 'found') : skipped(LIBRARY, 'needs the addon'),
    problem(ANSWER, `${reason(error)}${code}`, {
      meaning: 'The TPM could not be opened, or it does not answer.',
      action: 'Mend what is said of the device above; if it is there and permitted, restart the machine.',
    }),
    banks,
  ];
}

async function examineHclIndex(tpm: NativeTpm): Promise<Finding> {
  const index = await indexState(tpm, HCL_REPORT_INDEX);
  if (typeof index === 'object') return ok(HCL, `${index.size} bytes`);
  return problem(HCL, index, {
    meaning:
      "Azure's paravisor puts the hardware report here. Without it this is an ordinary or a trusted-launch VM: attestation " +
      'can prove its boot, but not that its memory is confidential.',
    action: `Create the VM with security type “Confidential VM” and one of the sizes ${CONFIDENTIAL_SIZES}.`,
  });
}

async function examineKey(tpm: NativeTpm): Promise<{ finding: Finding; modulus?: Buffer }> {
  try {
    const { publicArea } = await tpm.readPublic(AK_HANDLE);
    // The modulus is the last member of TPMT_PUBLIC: 2 bytes of size, then 256 of an RSA-2048 key.
    return { finding: ok(AK, `RSA, ${publicArea.length} bytes of public area`), modulus: publicArea.subarray(-256) };
  } catch (error) {
    const finding = problem(AK, reason(error), {
      meaning:
        'Azure creates this key with every vTPM. It signs the quotes, and its public part is in the hardware report.',
      action: "Redeploy the VM: its vTPM was cleared, or is not Azure's, and cannot be repaired from inside.",
    });
    return { finding };
  }
}

async function examineCertificate(tpm: NativeTpm, modulus: Buffer | undefined): Promise<Finding[]> {
  const index = await indexState(tpm, AK_CERTIFICATE_INDEX);
  if (typeof index !== 'object') {
    return [
      problem(CERTIFICATE_INDEX, index, {
        meaning:
          'The attestation service wants a certificate of the attestation key; without one attest fails with code 13.',
        action: 'Restart the VM, so that the platform provisions it again; if it stays away, redeploy the VM.',
      }),
    ];
  }
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(await tpm.nvRead(AK_CERTIFICATE_INDEX));
  } catch (error) {
    return [
      problem(CERTIFICATE_INDEX, `holds no certificate: ${reason(error)}`, {
        meaning: 'The attestation service will refuse the evidence.',
        action: 'Restart the VM, so that the platform provisions it again; if it stays, redeploy the VM.',
      }),
    ];
  }
  return [ok(CERTIFICATE_INDEX, `${index.size} bytes`), examineValidity(certificate, modulus)];
}

function examineValidity(certificate: X509Certificate, modulus: Buffer | undefined): Finding {
  const { n } = createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })).export({
    format: 'jwk',
  });
  const days = Math.trunc((Date.parse(certificate.validTo) - Date.now()) / DAY);
  const until = `valid until ${new Date(certificate.validTo).toISOString().slice(0, 10)}`;
  if (modulus !== undefined && n !== modulus.toString('base64url')) {
    return problem(CERTIFICATE, 'is for another key', {
      meaning: 'The certificate does not belong to the key at 0x81000003: one of the two was replaced.',
      action: 'Find out who replaced it; redeploy the VM if nobody of yours did.',
    });
  }
  if (Date.parse(certificate.validTo) < Date.now()) {
    return problem(CERTIFICATE, `expired ${-days} days ago`, {
      meaning: 'The attestation service may refuse it.',
      action: 'Run cvm-attest attest -v, which renews it through the metadata service, and read what it says.',
    });
  }
  if (days <= RENEWAL_DAYS) {
    return warning(CERTIFICATE, `${until}, ${days} days from now`, {
      meaning: `It is renewed at the first attestation within ${RENEWAL_DAYS} days of its end; that has not happened or not worked.`,
      action: 'Run cvm-attest attest -v and read what it says about the renewal.',
    });
  }
  return ok(CERTIFICATE, until);
}

/** Size of an index that is defined and written, or in words what it is. */
async function indexState(tpm: NativeTpm, index: number): Promise<{ size: number } | string> {
  try {
    const area = await tpm.nvReadPublic(index);
    if (area === undefined) return 'not defined';
    return (area.attributes & NV_WRITTEN) === 0 ? 'defined, but never written' : { size: area.size };
  } catch (error) {
    return reason(error);
  }
}
