import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, AttestationError, VerificationError } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { type Exchange, exchanges, Machines, retry } from './services.js';
import { endsWithin, exhaustive, Tally } from './tally.js';
import { type Misconduct, misconducts, UnreliableServer } from './unreliable-server.js';

// Every exchange with every service, through a server that misbehaves at every stage of a connection.

const tally = new Tally('Services');
/** Of those who wait for a service that will not answer; the others, which do answer, must be done by then. */
const timeoutMs = 1_000;
const patience = { timeoutMs, connectTimeoutMs: timeoutMs };
const SLOW = Object.keys(misconducts).filter((name) => misconducts[name]?.slow);
const QUICK = Object.keys(misconducts).filter((name) => !misconducts[name]?.slow);
/** What is slow ends by the time limit alone: all of it in the long run, in the ordinary one what stands for the rest. */
const REPRESENTATIVES = ['accepts and says nothing', 'stops in the body', 'sends a body too slowly'];

let machines: Machines;

beforeAll(async () => {
  machines = await Machines.start();
}, 120_000);
afterAll(async () => {
  await machines?.[Symbol.asyncDispose]();
  console.log(String(tally));
});

async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    const result = await endsWithin(60, call);
    return typeof result === 'string' && result.endsWith('and attested') ? result : 'survived';
  } catch (error) {
    if (error instanceof AttestationError || error instanceof VerificationError) return error.code;
    throw error;
  }
}

/** Lets a service misbehave for one call, and then answer another one as it should. */
async function strike(name: string, exchange: Exchange, misconduct: string): Promise<void> {
  const { conduct, slow } = misconducts[misconduct] ?? expect.unreachable('there is no such misconduct');
  await using server = await UnreliableServer.before(exchange.target(machines), exchange.only);
  server.misconduct = conduct;
  const started = performance.now();
  const code = await codeOf(exchange.call(machines, server.url('http'), slow ? patience : {}));
  expect(server.struck, 'the service was not asked').toBeGreaterThan(0);
  expect(exchange.codes, `${name}: a server that ${misconduct}`).toContain(code);
  // One time limit for an exchange, not one for each stage or byte of it; what is not slow needs none.
  expect(performance.now() - started, 'milliseconds').toBeLessThan(slow ? 5_000 : 20_000);
  tally.count(misconduct, `code ${code}`);
  server.misconduct = undefined;
  expect(['survived', 'renewed, and attested']).toContain(
    await codeOf(exchange.call(machines, server.url('http'), {})),
  );
}

describe.each(Object.entries(exchanges))('%s', (name, exchange) => {
  it.each(QUICK)('a server that %s', { timeout: 60_000 }, (misconduct) => strike(name, exchange, misconduct));

  // At the same time, where that is possible: they wait.
  (exchange.alone ? it : it.concurrent).each(exhaustive ? SLOW : REPRESENTATIVES)(
    'a server that %s',
    { timeout: 60_000 },
    (misconduct) => strike(name, exchange, misconduct),
  );
});
describe('TLS', () => {
  let service: UnreliableServer;
  let impatient: AttestationClient;
  beforeAll(async () => {
    service = await UnreliableServer.before(machines.cvm.attestationUrl);
    impatient = clientOf(machines.cvm, { retry, ...patience });
  });
  afterAll(async () => {
    await impatient?.close();
    await service?.[Symbol.asyncDispose]();
  });
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
    await using guest = clientOf(machines.cvm, trusts);
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
