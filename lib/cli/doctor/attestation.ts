import { randomBytes } from 'node:crypto';
import {
  AttestationClient,
  AttestationError,
  ErrorCode,
  type Evidence,
  explainEvidence,
  parseHclReport,
} from '../../index.js';
import { failuresInWords } from '../output/check-words.js';
import { CONFIDENTIAL_SIZES, type DoctorEnvironment } from './environment.js';
import { type Finding, ok, problem, reason, skipped, warning } from './finding.js';

const TYPE = { id: 'vm-type', title: 'Type of confidential VM' };
const SECURE_BOOT = { id: 'secure-boot-claim', title: 'Secure boot (paravisor)' };
const LOG = { id: 'event-log', title: 'Event log' };
const PROOF = { id: 'evidence', title: 'Evidence, verified here' };
const ATTEST = { id: 'attest', title: 'Attestation' };

const TIMEOUT_MS = 5_000;

/** The whole way: collect fresh evidence, verify it here, and attest where a service is given. */
export async function examineAttestation(environment: DoctorEnvironment, usable: boolean): Promise<Finding[]> {
  if (!usable) return [TYPE, SECURE_BOOT, LOG, PROOF, ATTEST].map((about) => skipped(about, 'needs the vTPM in order'));
  const { tcti, imdsUrl, eventLogPath, osReleasePath, proxy } = environment;
  await using client = new AttestationClient({
    tcti,
    imdsUrl,
    retry: { retries: 0 },
    timeoutMs: TIMEOUT_MS,
    tpmTimeoutMs: TIMEOUT_MS,
    ...(proxy === undefined ? {} : { proxy }),
    ...(eventLogPath === undefined ? {} : { eventLogPath }),
    ...(osReleasePath === undefined ? {} : { osReleasePath }),
  });
  const saved = await client
    .getEvidence({ quote: false, certificates: false, signal: environment.signal })
    .catch(reason);
  const stored =
    typeof saved === 'string'
      ? [
          problem(TYPE, saved, {
            meaning: 'The hardware report cannot be read from the vTPM.',
            action: 'Restart the VM.',
          }),
        ]
      : [...reportFindings(saved.hclReport), logFinding(environment, saved.eventLog)];
  return [...stored, await proofFinding(environment, client), await attestFinding(environment, client)];
}

function reportFindings(bytes: Uint8Array): Finding[] {
  try {
    const { reportType, claims } = parseHclReport(bytes);
    return [typeFinding(reportType), secureBootFinding(claims['vm-configuration']?.['secure-boot'])];
  } catch (error) {
    return [
      problem(TYPE, reason(error), {
        meaning: 'What the vTPM holds is not a hardware report that this library understands.',
        action: 'Restart the VM. If it stays, keep the output of cvm-attest report -v for a bug report.',
      }),
    ];
  }
}

function typeFinding(type: string): Finding {
  if (type === 'snp') return ok(TYPE, 'AMD SEV-SNP');
  if (type === 'tdx') return ok(TYPE, 'Intel TDX');
  return problem(TYPE, { vbs: 'VBS', tvm: 'trusted launch' }[type] ?? type, {
    meaning: 'The memory of this VM is protected by neither SEV-SNP nor Intel TDX.',
    action: `Use one of the sizes ${CONFIDENTIAL_SIZES}.`,
  });
}

function secureBootFinding(secureBoot: boolean | undefined): Finding {
  if (secureBoot === true) return ok(SECURE_BOOT, 'on');
  return warning(SECURE_BOOT, secureBoot === false ? 'off' : 'not told', {
    meaning: 'Policies that demand secure boot refuse this machine.',
    action: "Switch secure boot on in the VM's security settings.",
  });
}

function logFinding({ eventLogPath }: DoctorEnvironment, log: Uint8Array | undefined): Finding {
  if (log !== undefined) return ok(LOG, `${log.length} bytes`);
  return warning(LOG, `${eventLogPath ?? "the kernel's event log"} is missing, empty or not readable`, {
    meaning:
      'Attestation works, but nobody can tell what the PCRs stand for: claims such as secureboot come from the log.',
    action: 'Run as root, and mount securityfs: sudo mount -t securityfs securityfs /sys/kernel/security.',
  });
}

async function proofFinding(environment: DoctorEnvironment, client: AttestationClient): Promise<Finding> {
  const nonce = randomBytes(32);
  let evidence: Evidence;
  try {
    evidence = await client.getEvidence({ nonce, signal: environment.signal });
  } catch (error) {
    return problem(PROOF, failure(error), {
      meaning: 'Evidence that a verifier could check cannot be collected.',
      action: `Run ${explainHint(error)}; where the metadata service has no certificates, cvm-attest report --kds.`,
    });
  }
  const { trustedRoots, policy, collateral } = environment;
  const { checks } = await explainEvidence(evidence, {
    nonce,
    ...(trustedRoots === undefined ? {} : { trustedRoots }),
    ...(policy === undefined ? {} : { policy }),
    ...(collateral === undefined || evidence.tdQuote === undefined ? {} : { collateral }),
  });
  const failed = checks.filter((check) => !check.ok);
  const made = checks.filter((check) => !check.skipped).length;
  const counted = `${made - failed.length} of ${made} checks passed`;
  if (failed.length === 0) return ok(PROOF, `${counted}, down to the root`);
  return problem(PROOF, `${counted}; failed: ${failuresInWords(checks)}`, {
    meaning: 'A careful relying party refuses this machine.',
    action: `Run cvm-attest report to see the values compared, and cvm-attest explain ${failed[0]?.code}.`,
  });
}

async function attestFinding(
  { attestationUrl, signal }: DoctorEnvironment,
  client: AttestationClient,
): Promise<Finding> {
  if (attestationUrl === undefined) return skipped(ATTEST, 'no service given (--url)');
  try {
    await client.attest({ attestationUrl }, { signal });
    return ok(ATTEST, `${attestationUrl} issued a token`);
  } catch (error) {
    const refused = error instanceof AttestationError && error.code === ErrorCode.ATTESTATION_FAILED;
    return problem(ATTEST, failure(error), {
      meaning: refused
        ? 'The service looked at the evidence and refused it, in the words above.'
        : 'No token was issued.',
      action: refused
        ? "Check the provider's attestation policy, secure boot, and that the machine was restarted since its last change."
        : `Run ${explainHint(error)}.`,
    });
  }
}

function explainHint(error: unknown): string {
  return error instanceof AttestationError ? `cvm-attest explain ${error.code}` : 'cvm-attest report -v';
}

/** Code and message; the message of a refusal holds the service's own words. */
function failure(error: unknown): string {
  return error instanceof AttestationError ? `${error.code} ${error.codeName}: ${error.message}` : reason(error);
}
