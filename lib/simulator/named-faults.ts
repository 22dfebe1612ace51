import { type Behaviour, jsonAnswer } from './http/behaviour.js';
import { imdsPaths } from './imds.js';
import type { CvmConfiguration } from './options.js';
import { attestationPaths } from './service/attestation-service.js';
import { foreignEnclave } from './tdx/tdx-platform.js';

/** A ready-made fault: what goes wrong, in one sentence, and the options that make it happen. */
export interface NamedFault {
  description: string;
  options: CvmConfiguration;
}

const always = { times: Number.POSITIVE_INFINITY };

const thim = (behaviour: Behaviour): CvmConfiguration => ({
  faults: { imds: { [imdsPaths.thimCertification]: [behaviour] } },
});

/** Changes the quote that the metadata service answers with. */
const tdQuote = (change: (quote: Buffer) => unknown): CvmConfiguration => ({
  vmType: 'tdx',
  faults: {
    imds: {
      [imdsPaths.tdQuote]: [
        {
          kind: 'modify',
          modify: (answer) => {
            if (answer.status !== 200) return answer;
            const { quote } = JSON.parse(answer.body.toString()) as { quote: string };
            return jsonAnswer(200, change(Buffer.from(quote, 'base64url')) as object);
          },
          ...always,
        },
      ],
    },
  },
});

const withByteFlipped = (bytes: Buffer, offset: number): { quote: string } => {
  const copy = Buffer.from(bytes);
  copy[offset] = (copy[offset] ?? 0) ^ 1;
  return { quote: copy.toString('base64url') };
};

const oneDayMs = 24 * 3600 * 1000;

const service = (behaviour: Behaviour): CvmConfiguration => ({
  faults: { attestation: { [attestationPaths.guest]: [behaviour] } },
});

const replaceLastDigit = (claims: Buffer): Buffer => {
  const copy = Buffer.from(claims);
  const at = copy.lastIndexOf('"vmUniqueId":"') + '"vmUniqueId":"'.length;
  copy[at] = copy[at] === 0x30 ? 0x31 : 0x30;
  return copy;
};

/** Faults by name, as `SimulatedCvm.start({ faults: [name] })` takes them. */
export const namedFaults = {
  'ak-certificate-missing': {
    description: 'NV index 0x01C101D0, where the certificate of the attestation key belongs, is not defined.',
    options: { tpm: { akCertificate: { state: 'absent' } } },
  },
  'ak-certificate-unwritten': {
    description: 'The NV index of the attestation key certificate is defined and was never written.',
    options: { tpm: { akCertificate: { state: 'unwritten' } } },
  },
  'ak-certificate-pending': {
    description: 'The attestation key certificate is being requested: its NV index can be read from the third time on.',
    options: { tpm: { akCertificate: { state: 'pending' } } },
  },
  'ak-certificate-zeros': {
    description: 'The NV index of the attestation key certificate holds 4096 zeros.',
    options: { tpm: { akCertificate: { contents: 'zeros' } } },
  },
  'ak-certificate-stale-tail': {
    description: 'The attestation key certificate is followed by bytes of an older one, up to 16384.',
    options: { tpm: { akCertificate: { indexSize: 16384, tail: 'stale' } } },
  },
  'ak-certificate-expiring': {
    description: 'The attestation key certificate expires in 30 days, so a client renews it.',
    options: { tpm: { akCertificate: { daysToExpiry: 30 } } },
  },
  'ak-certificate-expired': {
    description: 'The attestation key certificate expired 10 days ago.',
    options: { tpm: { akCertificate: { daysToExpiry: -10 } } },
  },
  'ak-certificate-garbage': {
    description: 'The NV index of the attestation key certificate holds something else.',
    options: { tpm: { akCertificate: { contents: Buffer.from('not a certificate') } } },
  },
  'ak-certificate-temporary': {
    description: 'The attestation key certificate is the one from before provisioning, which the protocol refuses.',
    options: { tpm: { akCertificate: { issuerCommonName: 'MICROSOFT AZURE TRUSTED VM RSA' } } },
  },
  'guest-key-missing': {
    description: 'The platform provisioned no key for secrets: there is nothing at 0x81000004.',
    options: { tpm: { guestKey: 'absent' } },
  },
  'hcl-report-missing': {
    description: 'There is no HCL report, as on a trusted launch VM.',
    options: { tpm: { hclReport: { state: 'absent' } } },
  },
  'hcl-report-unwritten': {
    description: 'The NV index of the HCL report is defined and was never written.',
    options: { tpm: { hclReport: { state: 'unwritten' } } },
  },
  'hcl-report-unbound': {
    description: 'The runtime claims are not the ones that the hardware report was made for.',
    options: {
      tpm: {
        hclReport: {
          modify: (report) => Buffer.concat([report.subarray(0, 1236), replaceLastDigit(report.subarray(1236))]),
        },
      },
    },
  },
  'secure-boot-off': {
    description: 'The guest booted without secure boot.',
    options: { secureBoot: false },
  },
  'debug-policy': {
    description: 'The guest was launched with debugging allowed.',
    options: { snpReport: { policy: 0xb001fn } },
  },
  'stranger-chip': {
    description: 'The metadata service hands out the certificate of another chip.',
    options: { vcek: { hardwareId: new Uint8Array(64).fill(0x5a) } },
  },
  'outdated-vcek': {
    description: 'The metadata service hands out a certificate for an older firmware.',
    options: { vcek: { tcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 } } },
  },
  'expired-vcek': {
    description: 'The certificate of the chip has expired.',
    options: { vcek: { notBefore: new Date('2019-01-01T00:00:00Z'), notAfter: new Date('2020-01-01T00:00:00Z') } },
  },
  'event-log-missing': {
    description: 'The firmware left no event log.',
    options: { eventLog: () => undefined },
  },
  'event-log-empty': {
    description: 'The event log exists and has zero bytes.',
    options: { eventLog: 'empty' },
  },
  'event-log-windows': {
    description: "The event log ends as Windows' do: fewer digests than banks, an event at PCR 0xFFFFFFFF.",
    options: { eventLog: 'windows' },
  },
  'pcr-11-unlogged': {
    description: 'Something was measured into PCR 11 that the event log does not tell of.',
    options: { unloggedPcrs: [11] },
  },
  'event-log-tampered': {
    description: 'An event is missing from the end of the event log, which does not replay any more.',
    options: { eventLog: (log) => log.subarray(0, log.length - 112) },
  },
  'tpm-decrypt-fails': {
    description: 'The TPM answers every RSA_Decrypt with TPM_RC_FAILURE.',
    options: {
      faults: { tpm: [{ command: 'RSA_Decrypt', action: { kind: 'error', responseCode: 0x101 }, ...always }] },
    },
  },
  'tpm-slow': {
    description: 'Every TPM command takes 200 ms longer.',
    options: { faults: { tpm: [{ action: { kind: 'delay', ms: 200 }, ...always }] } },
  },
  'tpm-silent': {
    description: 'The TPM never answers a Quote.',
    options: { faults: { tpm: [{ command: 'Quote', action: { kind: 'silence' }, ...always }] } },
  },
  'thim-not-found': {
    description: 'The metadata service has no certificates for this chip (404).',
    options: thim({ kind: 'answer', status: 404, ...always }),
  },
  'thim-empty': {
    description: 'The metadata service answers with nothing.',
    options: thim({ kind: 'answer', body: '', ...always }),
  },
  'thim-not-json': {
    description: 'The metadata service answers with something else than JSON.',
    options: thim({ kind: 'answer', body: '<html>', ...always }),
  },
  'thim-without-certificate': {
    description: 'The metadata service answers without a certificate.',
    options: thim({ kind: 'answer', body: { cacheControl: '0' }, ...always }),
  },
  'thim-hangs': {
    description: 'The metadata service takes requests and never answers.',
    options: thim({ kind: 'hang', ...always }),
  },
  'service-busy': {
    description: 'The attestation service is too busy for the first two requests (503), then answers.',
    options: service({ kind: 'answer', status: 503, headers: { 'retry-after': '1' }, times: 2 }),
  },
  'service-down': {
    description: 'The attestation service answers every request with 503.',
    options: service({ kind: 'answer', status: 503, ...always }),
  },
  'service-unauthorized': {
    description: 'The attestation service answers every request with 401.',
    options: service({ kind: 'answer', status: 401, ...always }),
  },
  'service-refuses': {
    description: 'The policy of the attestation service denies every guest (400).',
    options: service({
      kind: 'answer',
      status: 400,
      body: { error: { code: 'PolicyEvaluationError', message: 'the policy of this provider denies the guest' } },
      ...always,
    }),
  },
  'service-redirects': {
    description: 'The attestation service sends its callers elsewhere.',
    options: service({ kind: 'answer', status: 302, headers: { location: 'http://127.0.0.1:9/' }, ...always }),
  },
  'service-not-json': {
    description: 'The attestation service answers with something else than JSON.',
    options: service({ kind: 'answer', body: '<html>', ...always }),
  },
  'service-hangs': {
    description: 'The attestation service takes requests and never answers.',
    options: service({ kind: 'hang', ...always }),
  },
  'service-closes': {
    description: 'The attestation service closes the connection in the middle of its answer.',
    options: service({ kind: 'close-mid-body', ...always }),
  },
  'service-oversized': {
    description: 'The attestation service answers with 64 MiB.',
    options: service({ kind: 'oversized', bytes: 64 * 1024 * 1024, ...always }),
  },
  'envelope-short-tag': {
    description: 'Tokens come in an envelope whose authentication tag is cut to 12 bytes.',
    options: { attestation: { envelopes: [{ tagLength: 12, ...always }] } },
  },
  'envelope-wrong-aad': {
    description: 'Tokens come in an envelope with other additional data than the protocol says.',
    options: { attestation: { envelopes: [{ additionalData: 'Other Key', ...always }] } },
  },
  'td-quote-missing': {
    description: 'The metadata service answers a request for a TD quote without one.',
    options: tdQuote(() => ({})),
  },
  'td-quote-empty': {
    description: 'The metadata service answers with an empty TD quote.',
    options: tdQuote(() => ({ quote: '' })),
  },
  'td-quote-of-another-report': {
    description: 'The metadata service answers with the quote of another TDREPORT.',
    options: {
      vmType: 'tdx',
      tdx: {
        quoteOf: (report) => Buffer.concat([report.subarray(0, 0x80), Buffer.alloc(64, 0x5a), report.subarray(0xc0)]),
      },
    },
  },
  'td-quote-tampered': {
    description: 'One bit of MRTD in the TD quote is another than the one that was signed.',
    options: tdQuote((quote) => withByteFlipped(quote, 48 + 136)),
  },
  'collateral-expired': {
    description: "Intel's documents and revocation lists expired ten days ago.",
    options: {
      vmType: 'tdx',
      tdx: {
        collateral: {
          validity: {
            thisUpdate: new Date(Date.now() - 40 * oneDayMs),
            nextUpdate: new Date(Date.now() - 10 * oneDayMs),
          },
        },
      },
    },
  },
  'collateral-of-another-fmspc': {
    description: 'The TCB info is of another kind of platform.',
    options: { vmType: 'tdx', tdx: { collateral: { fmspc: '50806F000000' } } },
  },
  'tcb-out-of-date': {
    description: "The platform's TCB level is out of date.",
    options: { vmType: 'tdx', tdx: { tcbStatus: 'OutOfDate' } },
  },
  'tcb-not-supported': {
    description: "The platform's SEAMLDR is older than Intel's lowest TCB level, as on many of Azure's machines.",
    options: { vmType: 'tdx', tdx: { platform: 'below-every-level' } },
  },
  'tcb-status-revoked': {
    description: "The platform's TCB level is revoked.",
    options: { vmType: 'tdx', tdx: { tcbStatus: 'Revoked' } },
  },
  'pck-certificate-revoked': {
    description: "The platform's PCK certificate is on the revocation list.",
    options: { vmType: 'tdx', tdx: { collateral: { revoked: ['pck'] } } },
  },
  'tcb-signing-certificate-revoked': {
    description: "The certificate that signs TCB info and QE identity is on the root's revocation list.",
    options: { vmType: 'tdx', tdx: { collateral: { revoked: ['tcb-signing'] } } },
  },
  'qe-identity-wrong': {
    description: "The quote was made by an enclave that is not Intel's quoting enclave.",
    options: { vmType: 'tdx', tdx: { quotingEnclave: foreignEnclave } },
  },
  'td-debug': {
    description: 'The TD runs with debugging on.',
    options: { vmType: 'tdx', tdx: { debug: true } },
  },
  'td-relaunch-advised': {
    description: 'The TDX module was updated after the TD was launched: only a relaunch brings it up to date.',
    options: {
      vmType: 'tdx',
      tdx: {
        quoteVersion: 5,
        teeTcbSvn: Buffer.from('06010400000000000000000000000000', 'hex'),
        teeTcbSvn2: Buffer.from('0d010400000000000000000000000000', 'hex'),
      },
    },
  },
  'imds-tdquote-503': {
    description: 'The metadata service answers every request for a TD quote with 503.',
    options: { vmType: 'tdx', faults: { imds: { [imdsPaths.tdQuote]: [{ kind: 'answer', status: 503, ...always }] } } },
  },
} satisfies Record<string, NamedFault>;

export type FaultName = keyof typeof namedFaults;
