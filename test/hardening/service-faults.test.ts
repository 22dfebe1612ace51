import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AttestationClient,
  AttestationError,
  fetchThimCertificates,
  MaaClient,
  VerificationError,
  verifyToken,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../client/client.js';
import { endsWithin, exhaustive, Tally } from './tally.js';
import { type Misconduct, misconducts, UnreliableServer } from './unreliable-server.js';

// Every service that the library talks to, behind a server that misbehaves at every stage of a connection.

const REPRESENTATIVE = 'REST client, signing keys';
const tally = new Tally('Services');
const patience = { timeoutMs: 1_000, connectTimeoutMs: 1_000 };
const retry = { retries: 2, baseDelayMs: 1, maxRetryAfterMs: 20 };

let cvm: SimulatedCvm;
let imds: UnreliableServer;
let service: UnreliableServer;
let client: AttestationClient;
let impatient: AttestationClient;
let token: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  imds = await UnreliableServer.before(cvm.imdsUrl);
  service = await UnreliableServer.before(cvm.attestationUrl);
  client = clientOf(cvm, { imdsUrl: imds.url('http'), retry });
  impatient = clientOf(cvm, { imdsUrl: imds.url('http'), retry, ...patience });
  token = await client.attest({ attestationUrl: service.url('http') });
});
afterAll(async () => {
  await client?.close();
  await impatient?.close();
  expect(await cvm?.loadedHandles()).toEqual({ transient: [], sessions: [] });
  for (const server of [imds, service]) await server?.[Symbol.asyncDispose]();
  await cvm?.stop();
  console.log(String(tally));
});

interface Exchange {
  server: () => UnreliableServer;
  /** `hurried` when only a timeout ends it. */
  call: (hurried: boolean) => Promise<unknown>;
  codes: (number | string)[];
}

const attesting = (hurried: boolean) => (hurried ? impatient : client).attest({ attestationUrl: service.url('http') });
const exchanges: Record<string, Exchange> = {
  'attest, certificates': { server: () => imds, call: attesting, codes: [4, 5, 7, 16, 17, 18] },
  'getEvidence, certificates': {
    server: () => imds,
    call: (hurried) => (hurried ? impatient : client).getEvidence(),
    codes: [4, 5, 7, 16, 17, 18],
  },
  'certificates alone': {
    server: () => imds,
    call: (hurried) => fetchThimCertificates({ imdsUrl: imds.url('http'), retry, ...(hurried ? patience : {}) }),
    codes: [4, 5, 7, 16, 17, 18],
  },
  'attest, attestation service': { server: () => service, call: attesting, codes: [4, 5, 7, 14, 28] },
  [REPRESENTATIVE]: {
    server: () => service,
    call: (hurried) => new MaaClient(service.url('http'), { retry, ...(hurried ? patience : {}) }).signingKeys(),
    codes: [4, 5, 7, 18, 28, 'ERR_TOKEN_KEY_SET'],
  },
  'verifyToken, signing keys': {
    server: () => service,
    call: (hurried) =>
      verifyToken(token, {
        issuer: cvm.attestationUrl,
        // Another address each time: keys are remembered by it.
        keys: new URL(`/certs?${Math.random()}`, service.url('http')),
        ...(hurried && { keyFetch: { timeoutMs: patience.timeoutMs } }),
      }),
    codes: ['ERR_TOKEN_KEYS_UNAVAILABLE', 'ERR_TOKEN_KEY_SET'],
  },
};

async function codeOf(call: Promise<unknown>): Promise<number | string> {
  try {
    await endsWithin(60, call);
  } catch (error) {
    if (error instanceof AttestationError || error instanceof VerificationError) return error.code;
    throw error;
  }
  return 'survived';
}

describe.each(Object.entries(exchanges))('%s', (name, { server, call, codes }) => {
  // The slow ones wait for real time: in the ordinary run one service stands for all.
  const chosen = Object.entries(misconducts).filter(([, { slow }]) => !slow || exhaustive || name === REPRESENTATIVE);
  it.each(chosen.map(([misconduct, details]) => ({ misconduct, ...details })))(
    'a server that $misconduct',
    { timeout: 120_000 },
    async ({ misconduct, conduct, slow }) => {
      await strike(name, misconduct, server(), conduct, () => call(slow === true), codes);
      await call(false);
    },
  );
});

async function strike(
  name: string,
  misconduct: string,
  server: UnreliableServer,
  conduct: Misconduct,
  call: () => Promise<unknown>,
  codes: (number | string)[],
): Promise<void> {
  server.misconduct = conduct;
  const before = server.struck;
  try {
    const code = await codeOf(call());
    expect(server.struck, 'the service was not asked').toBeGreaterThan(before);
    expect(codes, `${name} from a server that ${misconduct}`).toContain(code);
    tally.count(misconduct, `code ${code}`);
  } finally {
    server.misconduct = undefined;
  }
}

describe('TLS', () => {
  const attest = (attestationUrl: string) => codeOf(impatient.attest({ attestationUrl }));

  it.each<[string, Misconduct]>([
    ['says nothing', () => {}],
    ['closes during the handshake', (socket) => socket.once('data', () => socket.destroy())],
    ['speaks HTTP', (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['sends noise', (socket) => socket.write(Buffer.alloc(2_000, 0x16))],
    ['sends an alert', (socket) => socket.once('data', () => socket.end(Buffer.from('15030300020228', 'hex')))],
  ])('a server that %s', { timeout: 60_000 }, async (what, conduct) => {
    service.misconduct = conduct;
    try {
      const code = await attest(service.url('https'));
      expect(code).toBe(7);
      tally.count(`TLS server that ${what}`, `code ${code}`);
    } finally {
      service.misconduct = undefined;
    }
  });

  it.each([
    ['of a stranger', {}],
    ['of another host', { dnsNames: ['other.example'] }],
    ['that has expired', { notAfter: new Date(Date.now() - 86_400_000) }],
  ])('a certificate %s', { timeout: 60_000 }, async (what, tls) => {
    await using machine = await SimulatedCvm.start({ attestation: { tls } });
    const trusts = what === 'of a stranger' ? {} : { ca: machine.ca ?? '' };
    await using guest = clientOf(cvm, { imdsUrl: imds.url('http'), ...trusts });
    const code = await codeOf(guest.attest({ attestationUrl: machine.attestationUrl }));
    expect(code).toBe(7);
    tally.count(`TLS certificate ${what}`, `code ${code}`);
  });

  it('nobody listens, no such host', { timeout: 60_000 }, async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    for (const url of [`https://127.0.0.1:${port}`, 'https://attest.invalid']) {
      expect(await attest(url)).toBe(7);
      tally.count('unreachable', 'code 7');
    }
  });
});
