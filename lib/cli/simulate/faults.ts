import { attestationPaths, imdsPaths, type SimulatedCvmOptions } from '../../simulator/index.js';

interface Fault {
  /** What is wrong with the guest then, in one sentence. */
  summary: string;
  options: SimulatedCvmOptions;
}

const answer = (status: number, body: object) =>
  [{ kind: 'answer', status, body, times: Number.POSITIVE_INFINITY }] as const;

/** What a simulated guest can be made to suffer from. */
export const FAULTS = {
  'no-hcl-report': {
    summary: 'an ordinary VM: the vTPM has no hardware report',
    options: { tpm: { hclReport: { state: 'absent' } } },
  },
  'hcl-report-unwritten': {
    summary: 'the NV index of the hardware report exists but was never written',
    options: { tpm: { hclReport: { state: 'unwritten' } } },
  },
  'hcl-report-corrupt': {
    summary: 'one bit of the runtime data is flipped',
    options: { tpm: { hclReport: { modify: flipRuntimeData } } },
  },
  'no-ak-certificate': {
    summary: 'the attestation key has no certificate',
    options: { tpm: { akCertificate: { state: 'absent' } } },
  },
  'ak-certificate-unwritten': {
    summary: 'the NV index of the AK certificate exists but was never written',
    options: { tpm: { akCertificate: { state: 'unwritten' } } },
  },
  'ak-certificate-garbage': {
    summary: 'the NV index of the AK certificate holds something else',
    options: { tpm: { akCertificate: { contents: Buffer.from('not a certificate') } } },
  },
  'ak-certificate-expired': {
    summary: 'the AK certificate expired 10 days ago',
    options: { tpm: { akCertificate: { daysToExpiry: -10 } } },
  },
  'ak-certificate-expiring': {
    summary: 'the AK certificate expires in 30 days',
    options: { tpm: { akCertificate: { daysToExpiry: 30 } } },
  },
  'secure-boot-off': { summary: 'the guest booted without secure boot', options: { secureBoot: false } },
  'wrong-vcek': {
    summary: 'the chip’s certificate is for another TCB than the report',
    options: { vcek: { tcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 } } },
  },
  'thim-missing': {
    summary: 'the metadata service has no certificate for the chip',
    options: { faults: { imds: { [imdsPaths.thimCertification]: [...answer(404, { error: 'Not found' })] } } },
  },
  'thim-empty': {
    summary: 'the metadata service answers without certificates',
    options: { faults: { imds: { [imdsPaths.thimCertification]: [...answer(200, {})] } } },
  },
  'attestation-refused': {
    summary: 'the attestation service refuses every guest',
    options: {
      faults: {
        attestation: {
          [attestationPaths.guest]: [
            ...answer(400, {
              error: { code: 'PolicyEvaluationError', message: 'the policy of this provider denies the guest' },
            }),
          ],
        },
      },
    },
  },
  'attestation-overloaded': {
    summary: 'the attestation service answers 503',
    options: { faults: { attestation: { [attestationPaths.guest]: [...answer(503, { error: { code: 'Busy' } })] } } },
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

/** Options of one guest that has all of these faults. */
export function faultOptions(names: readonly FaultName[]): SimulatedCvmOptions {
  return names.map((name): SimulatedCvmOptions => FAULTS[name].options).reduce(merge, {});
}

function merge(one: SimulatedCvmOptions, other: SimulatedCvmOptions): SimulatedCvmOptions {
  return {
    ...one,
    ...other,
    tpm: { ...one.tpm, ...other.tpm },
    faults: {
      imds: { ...one.faults?.imds, ...other.faults?.imds },
      attestation: { ...one.faults?.attestation, ...other.faults?.attestation },
    },
  };
}

/** Byte 1500 lies within a key of the runtime data, which begins at 1236: still JSON, but other than what was hashed. */
function flipRuntimeData(report: Buffer): Buffer {
  const changed = Buffer.from(report);
  changed[1500] = (changed[1500] ?? 0) ^ 1;
  return changed;
}
