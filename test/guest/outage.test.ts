import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AttestationClient } from '../../lib/index.js';
import { imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { fixture, withFixtures } from '../fixtures.js';

/** Of the environment variable that asks for the outage in its real length. */
const WHOLE = process.env.FAULTS === 'all';
const SECONDS = WHOLE ? 70 : 2;

let cvm: SimulatedCvm;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
});
afterEach(() => cvm.imds.clearBehaviours());
afterAll(() => cvm?.stop());

/** As a caller makes it: with the defaults, but for a first wait that a short test can afford. */
function client(imdsUrl: string, lines: string[] = []): AttestationClient {
  const log = (line: string): unknown => lines.push(line);
  return new AttestationClient({
    tcti: cvm.tcti,
    imdsUrl,
    eventLogPath: cvm.eventLogPath,
    osReleasePath: cvm.osReleasePath,
    logger: { debug: log, info: log, warn: log, error: log },
    ...(WHOLE ? {} : { retry: { baseDelayMs: 50 } }),
  });
}

const OUTAGES = ['404', '410', '429', '500', '503', 'cut', 'silent', 'refused'] as const;

/** A metadata service that is away for a while, and then passes everything on to the simulated one. */
async function awayFor(seconds: number, how: (typeof OUTAGES)[number]): Promise<{ url: string; stop(): void }> {
  const back = Date.now() + 1000 * seconds;
  const server: Server = createServer(async (incoming, answer) => {
    if (Date.now() < back) {
      if (how === 'silent') return;
      if (how === 'cut') incoming.socket.destroy();
      else answer.writeHead(Number(how)).end();
      return;
    }
    const { status, body } = await fetch(new URL(incoming.url ?? '', cvm.imdsUrl), {
      headers: { Metadata: 'true' },
    }).then(async (passed) => ({ status: passed.status, body: Buffer.from(await passed.arrayBuffer()) }));
    answer.writeHead(status).end(body);
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  let timer: NodeJS.Timeout | undefined;
  if (how === 'refused') {
    await new Promise((resolve) => server.close(resolve));
    timer = setTimeout(() => void listen(port), 1000 * seconds);
  }
  const stop = (): void => {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

describe('while instance metadata is being updated', () => {
  it.each(OUTAGES.filter((how) => how !== 'silent'))(
    `attest and getEvidence survive ${SECONDS} s of “%s”, and log what they wait for`,
    async (how) => {
      const imds = await awayFor(SECONDS, how);
      const lines: string[] = [];
      const guest = client(imds.url, lines);
      try {
        const [token, evidence] = await Promise.all([
          guest.attest({ attestationUrl: cvm.attestationUrl }),
          guest.getEvidence(),
        ]);
        expect(token.split('.')).toHaveLength(3);
        expect(evidence.certificates?.vcek).toContain('BEGIN CERTIFICATE');
        expect(
          lines.filter((line) => /repetition \d+ in \d+ ms, an outage is waited out for/.test(line)).length,
        ).toBeGreaterThan(1);
      } finally {
        imds.stop();
        await guest.close();
      }
    },
    120_000,
  );

  it('a service that does not answer at all is asked again when its time is over', async () => {
    const imds = await awayFor(1, 'silent');
    const guest = new AttestationClient({
      tcti: cvm.tcti,
      imdsUrl: imds.url,
      timeoutMs: 400,
      retry: { baseDelayMs: 50 },
    });
    try {
      expect((await guest.getEvidence()).certificates).toBeDefined();
    } finally {
      imds.stop();
      await guest.close();
    }
  });

  it.each(['attest', 'getEvidence'] as const)('%s ends at once when it is aborted', async (call) => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 404, times: Infinity });
    const guest = client(cvm.imdsUrl);
    const controller = new AbortController();
    const { signal } = controller;
    const running =
      call === 'attest'
        ? guest.attest({ attestationUrl: cvm.attestationUrl }, { signal })
        : guest.getEvidence({ signal });
    setTimeout(() => controller.abort(), 300);
    const started = performance.now();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    expect(performance.now() - started).toBeLessThan(1_500);
    await guest.close();
  });

  it('an outage that lasts is given up when its time is over, with what was answered last', async () => {
    cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status: 410, times: Infinity });
    const guest = new AttestationClient({
      tcti: cvm.tcti,
      imdsUrl: cvm.imdsUrl,
      retry: { baseDelayMs: 20, outageMs: 600 },
    });
    const started = performance.now();
    await expect(guest.getEvidence()).rejects.toMatchObject({ code: 4, status: 410 });
    expect(performance.now() - started).toBeGreaterThan(550);
    expect(performance.now() - started).toBeLessThan(5_000);
    await guest.close();
  });

  it('what no repetition can cure is not repeated: a refusal, an answer that is not one', async () => {
    for (const [status, code] of [
      [400, 5],
      [403, 5],
    ] as const) {
      cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', status, times: 1 });
      const guest = client(cvm.imdsUrl);
      await expect(guest.getEvidence()).rejects.toMatchObject({ code, status });
      await guest.close();
    }
  });
});

interface FieldCase {
  name: string;
  path: string;
  answers: { status?: number; kind?: 'close'; forSeconds?: number }[];
}

describe.skipIf(!withFixtures)('answers of instance metadata from the field', () => {
  const cases: FieldCase[] = withFixtures
    ? JSON.parse(fixture('field-cases/imds-thim-answers.json').toString('utf8'))
    : [];

  it.each(cases)('attest and getEvidence survive: $name', async ({ path, answers }) => {
    for (const call of ['attest', 'getEvidence'] as const) {
      for (const { status, kind, forSeconds } of answers) {
        // A minute of refusals is a good dozen of them; the test above has outages by the clock.
        const times = forSeconds === undefined ? 1 : 12;
        cvm.imds.respond(path, kind === 'close' ? { kind, times } : { kind: 'answer', status: status ?? 500, times });
      }
      const guest = new AttestationClient({
        tcti: cvm.tcti,
        imdsUrl: cvm.imdsUrl,
        osReleasePath: cvm.osReleasePath,
        retry: { baseDelayMs: 10, maxDelayMs: 50 },
      });
      await (call === 'attest' ? guest.attest({ attestationUrl: cvm.attestationUrl }) : guest.getEvidence());
      await guest.close();
    }
  });
});
