import { generateKeyPairSync } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it, vi } from 'vitest';
import { evidenceToJson } from '../../lib/index.js';
import {
  createVerifierService,
  memoryReplayStore,
  type VerifierService,
  type VerifierServiceOptions,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';

const ISSUER = 'https://verifier.example';
const signingKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString();

const start = (more: Partial<VerifierServiceOptions> = {}): VerifierService =>
  createVerifierService({
    issuer: ISSUER,
    audiences: ['https://service.example'],
    signingKeys,
    secret: Buffer.alloc(32, 9),
    store: memoryReplayStore(),
    allowAnyMachine: true,
    ...more,
  });

/** It can be read, and is refused. */
const EVIDENCE = JSON.stringify({ evidence: { version: 1, hclReport: 'AAAA' } });
const ask = (service: VerifierService, body: string | ReadableStream, path = '/v1/evidence') =>
  service(new Request(`${ISSUER}${path}`, { method: 'POST', body, duplex: 'half' } as RequestInit));

/** A body whose rest does not come until it is ended. */
function halfSent(service: VerifierService, bytes: number) {
  let rest: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      rest = controller;
      controller.enqueue(new Uint8Array(bytes).fill(0x20));
    },
  });
  return { answer: ask(service, stream), end: () => rest?.close() };
}

const codeOf = async (answer: Response | Promise<Response>) => {
  const response = await answer;
  const { error } = (await response.json()) as { error?: { code: string } };
  return [response.status, error?.code];
};

describe('bodies that do not come on', () => {
  it('keep nobody else out, and are no verifications', async () => {
    const service = start({ maxConcurrent: 1 });
    const halves = Array.from({ length: 100 }, () => halfSent(service, 10));
    expect(await codeOf(ask(service, EVIDENCE))).toEqual([200, undefined]);
    const metrics = await (await service(new Request(`${ISSUER}/metrics`))).text();
    expect(metrics).toContain('cvm_verifications_in_progress 0');
    expect(metrics).toContain('cvm_verification_seconds_count 1');
    for (const { end } of halves) end();
    await Promise.all(halves.map(({ answer }) => answer));
  });

  it('take no more memory together than 64 of the largest, and give it back', async () => {
    const service = start({ maxBodyBytes: 4096 });
    const halves = Array.from({ length: 64 }, () => halfSent(service, 4096));
    expect(await codeOf(ask(service, EVIDENCE))).toEqual([503, 'ERR_BUSY']);
    for (const { end } of halves) end();
    await Promise.all(halves.map(({ answer }) => answer));
    expect(await codeOf(ask(service, EVIDENCE))).toEqual([200, undefined]);
  });
});

describe('the diagnostics channel of a verifier service', () => {
  it('tells of evidence that was refused, though the answer is a signed result', async () => {
    const events: object[] = [];
    const listen = (event: unknown) => events.push(event as object);
    subscribe('cvm-guest-attestation:verification', listen);
    try {
      expect((await ask(start(), EVIDENCE)).status).toBe(200);
    } finally {
      unsubscribe('cvm-guest-attestation:verification', listen);
    }
    const refused = { operation: 'verifier-service', ok: false, code: expect.stringMatching(/^ERR_/) };
    expect(events).toEqual([expect.objectContaining(refused)]);
  });
});

describe('paths and methods', () => {
  it('answers HEAD as GET, without the body', async () => {
    const service = start();
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/nothing']) {
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => service(new Request(`${ISSUER}${path}`, { method }))),
      );
      expect([head?.status, await head?.text()]).toEqual([get?.status, '']);
      expect(head?.headers.get('content-type')).toBe(get?.headers.get('content-type'));
      expect(head?.headers.get('content-length')).toBe(String((await get?.text())?.length));
    }
  });

  it.each([
    ['GET', '/v1/evidence', 'POST'],
    ['HEAD', '/v1/challenge', 'POST'],
    ['DELETE', '/healthz', 'GET, HEAD'],
  ])('answers %s %s with what is allowed', async (method, path, allow) => {
    const answer = await start()(new Request(`${ISSUER}${path}`, { method }));
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
  });
});

describe('close', () => {
  it.each([0, 1])(
    'waits for verifications in progress, those that fetch something too, with %d workers',
    async (workers) => {
      let answerNow = (_: Uint8Array): void => {};
      await using cvm = await SimulatedCvm.start();
      await using client = cvm.client();
      const crls = vi.fn(
        () =>
          new Promise<Uint8Array>((resolve) => {
            answerNow = resolve;
          }),
      );
      const service = start({ ...cvm.verification, crls, workers });
      const answer = ask(service, JSON.stringify({ evidence: JSON.parse(evidenceToJson(await client.getEvidence())) }));
      await vi.waitFor(() => expect(crls).toHaveBeenCalled(), { timeout: 10_000, interval: 5 });
      const closed = service.close();
      expect(await codeOf(ask(service, EVIDENCE))).toEqual([503, 'ERR_CLOSING']);
      answerNow(cvm.authority.revocationList());
      expect(await codeOf(answer)).toEqual([200, undefined]);
      await closed;
    },
  );
});

it.each(['channel-v1', 'verifier-v1', 'kbs-v1', 'pop-v1', 'cga-x'])(
  'no service is made for the context %s',
  (context) => {
    expect(() => start({ contexts: ['login', context] })).toThrow(expect.objectContaining({ code: 8 }));
  },
);
