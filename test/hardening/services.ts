import {
  type AttestationClient,
  type AttestationClientOptions,
  buildSevSnpVmRequest,
  type Evidence,
  fetchThimCertificates,
  KdsClient,
  MaaClient,
  verifyToken,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';

/** How long an exchange may take, and how often it is repeated. */
export interface Patience {
  timeoutMs?: number;
  connectTimeoutMs?: number;
}
export const retry = { retries: 2, baseDelayMs: 1, maxRetryAfterMs: 20 };

/** Of the two times, the one that the attestation service's own client knows. */
const whole = ({ timeoutMs }: Patience) => (timeoutMs === undefined ? {} : { timeoutMs });

/** One exchange with a service, by a call of the public interface. */
export interface Exchange {
  /** The service as it is. */
  target(machines: Machines): string;
  /** Requests that it takes, where a call makes others, too. */
  only?: RegExp;
  /** Has the service at `url` asked. */
  call(machines: Machines, url: string, patience: Patience): Promise<unknown>;
  /** Codes that the call may end with. */
  codes: (number | string)[];
  /** Whether two such calls at a time would get into each other's way: they write the same NV index. */
  alone?: boolean;
}

/** Simulated machines that the exchanges are between. */
export class Machines implements AsyncDisposable {
  readonly cvm: SimulatedCvm;
  /** The certificate of its attestation key is about to expire, and each that it is given as well. */
  readonly expiring: SimulatedCvm;
  readonly evidence: Evidence;
  readonly token: string;
  /** Open until the end, so that the machine's key stays in its TPM from client to client. */
  readonly #keeper: AttestationClient;

  private constructor(parts: Pick<Machines, 'cvm' | 'expiring' | 'evidence' | 'token'>, keeper: AttestationClient) {
    this.cvm = parts.cvm;
    this.expiring = parts.expiring;
    this.evidence = parts.evidence;
    this.token = parts.token;
    this.#keeper = keeper;
  }

  static async start(): Promise<Machines> {
    const cvm = await SimulatedCvm.start();
    const expiring = await SimulatedCvm.start({ tpm: { akCertificate: { daysToExpiry: 5 } } });
    expiring.imds.renewedCertificate = { daysToExpiry: 5 };
    const keeper = clientOf(cvm);
    const evidence = await keeper.getEvidence({ quote: false });
    const token = await keeper.attest({ attestationUrl: cvm.attestationUrl });
    return new Machines({ cvm, expiring, evidence, token }, keeper);
  }

  /** @throws Error when a call has left something in a TPM */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keeper.close();
    for (const cvm of [this.cvm, this.expiring]) {
      const { transient, sessions } = await cvm.loadedHandles();
      await cvm.stop();
      if (transient.length + sessions.length > 0) throw new Error('a call has left handles in the TPM');
    }
  }
}

/** A guest whose metadata service is this one. */
async function withGuest(
  cvm: SimulatedCvm,
  options: AttestationClientOptions,
  work: (client: AttestationClient) => Promise<unknown>,
): Promise<unknown> {
  await using client = clientOf(cvm, { retry, ...options });
  return await work(client);
}

const IMDS_CODES = [4, 5, 7, 16, 17, 18];
const MAA_CODES = [4, 5, 7, 18, 28];
const KDS_CODES = [2, 4, 5, 7, 18];

/** An attestation whose certificate renewal meets the service: it must go on with the old one, and log code 32. */
const renewal = (path: RegExp): Exchange => ({
  target: ({ expiring }) => expiring.imdsUrl,
  only: path,
  codes: ['32, and attested'],
  alone: true,
  async call({ expiring }, url, patience) {
    const said: string[] = [];
    const say = (message: string): void => void said.push(message);
    // Each lasts longer than the one before it, or it would not be taken.
    const { daysToExpiry = 5 } = expiring.imds.renewedCertificate;
    expiring.imds.renewedCertificate = { daysToExpiry: daysToExpiry + 0.1 };
    const logger = { debug: say, info: say, warn: say, error: say };
    const { attestationUrl } = expiring;
    await withGuest(expiring, { imdsUrl: url, ...patience, logger }, (client) => client.attest({ attestationUrl }));
    return said.some((line) => line.startsWith('code 32')) ? '32, and attested' : 'renewed, and attested';
  },
});

const kds = (patience: Patience, baseUrl: string): KdsClient =>
  new KdsClient({ baseUrl, cacheDirectory: false, retry, timeoutMs: patience.timeoutMs ?? 30_000 });

/** Every service that the library talks to, and every kind of request that it makes there. */
export const exchanges: Record<string, Exchange> = {
  'metadata service, certificates of an attestation': {
    target: ({ cvm }) => cvm.imdsUrl,
    call: ({ cvm }, imdsUrl, patience) =>
      withGuest(cvm, { imdsUrl, ...patience }, (client) => client.attest({ attestationUrl: cvm.attestationUrl })),
    codes: IMDS_CODES,
  },
  'metadata service, certificates of evidence': {
    target: ({ cvm }) => cvm.imdsUrl,
    call: ({ cvm }, imdsUrl, patience) => withGuest(cvm, { imdsUrl, ...patience }, (client) => client.getEvidence()),
    codes: IMDS_CODES,
  },
  'metadata service, certificates alone': {
    target: ({ cvm }) => cvm.imdsUrl,
    call: (_, imdsUrl, patience) => fetchThimCertificates({ imdsUrl, retry, ...patience }),
    codes: IMDS_CODES,
  },
  'metadata service, id of the VM for a renewal': renewal(/^GET \/metadata\/instance\//),
  'metadata service, renewal of a certificate': renewal(/^POST \/metadata\/THIM\/tvm\//),
  'attestation service, a guest': {
    target: ({ cvm }) => cvm.attestationUrl,
    call: ({ cvm }, attestationUrl, patience) =>
      withGuest(cvm, patience, (client) => client.attest({ attestationUrl })),
    codes: [4, 5, 7, 14, 28],
  },
  'attestation service, a hardware report': {
    target: ({ cvm }) => cvm.attestationUrl,
    call: ({ evidence }, url, patience) =>
      new MaaClient(url, { retry, ...whole(patience) }).attestSevSnpVm(buildSevSnpVmRequest(evidence)),
    codes: MAA_CODES,
  },
  'attestation service, its configuration': {
    target: ({ cvm }) => cvm.attestationUrl,
    call: (_, url, patience) => new MaaClient(url, { retry, ...whole(patience) }).openIdConfiguration(),
    codes: MAA_CODES,
  },
  'attestation service, its signing keys': {
    target: ({ cvm }) => cvm.attestationUrl,
    call: (_, url, patience) => new MaaClient(url, { retry, ...whole(patience) }).signingKeys(),
    codes: [...MAA_CODES, 'ERR_TOKEN_KEY_SET'],
  },
  'signing keys for a token': {
    target: ({ cvm }) => cvm.attestationUrl,
    call: ({ cvm, token }, url, { timeoutMs }) =>
      verifyToken(token, {
        issuer: cvm.attestationUrl,
        // Another address each time: keys are remembered by it.
        keys: new URL(`/certs?${Math.random()}`, url),
        ...(timeoutMs !== undefined && { keyFetch: { timeoutMs } }),
      }),
    codes: ['ERR_TOKEN_KEYS_UNAVAILABLE', 'ERR_TOKEN_KEY_SET'],
  },
  "AMD's key service, a chip's certificate": {
    target: ({ cvm }) => cvm.kdsUrl,
    only: /^GET \/vcek\/v1\/\w+\/[0-9a-f]{16,}/,
    call: ({ evidence }, url, patience) => kds(patience, url).certificatesFor(evidence.hclReport.subarray(32, 1216)),
    codes: KDS_CODES,
  },
  "AMD's key service, a chain": {
    target: ({ cvm }) => cvm.kdsUrl,
    call: ({ cvm }, url, patience) => kds(patience, url).chain(cvm.authority.product),
    codes: KDS_CODES,
  },
  "AMD's key service, a revocation list": {
    target: ({ cvm }) => cvm.kdsUrl,
    call: ({ cvm }, url, patience) => kds(patience, url).crl(cvm.authority.product),
    codes: KDS_CODES,
  },
};
