import { generateKeyPairSync } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  createVerifierService,
  memoryReplayStore,
  type VerifierService,
  type VerifierServiceOptions,
} from '../../lib/relying-party/index.js';

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
