import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { importExample, runExample } from './run.js';

interface AttestedService {
  startAttestedService(options: {
    client: AttestationClient;
    attestationUrl: string;
    log?: (message: string) => void;
    retryMs?: number;
  }): Promise<{ url: string; ended: Promise<void>; stop(): Promise<void> }>;
}

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function guest(options: Parameters<typeof SimulatedCvm.start>[0] = {}) {
  const cvm = await SimulatedCvm.start(options);
  const client = cvm.client({ retry: { retries: 0 } });
  cleanUp.push(
    () => cvm.stop(),
    () => client.close(),
  );
  const { startAttestedService } = await importExample<AttestedService>('attested-service.mjs');
  return { cvm, client, startAttestedService };
}

describe('example: attested service', () => {
  it('serves once it is attested, and renews its token', async () => {
    const { code, output } = await runExample('attested-service.mjs', '--simulate');
    expect(output).toMatch(/^attested, serving on .*\nGET \/ → secret work.*\nattested again/);
    expect(output).toMatch(/a token that a client verifies itself, for VM [0-9A-F-]{36}\n$/);
    expect(code).toBe(0);
  });

  it('does not listen at all when it cannot be attested', async () => {
    const { cvm, client, startAttestedService } = await guest({ secureBoot: false });
    const log = vi.fn();
    const start = startAttestedService({ client, attestationUrl: cvm.attestationUrl, log });
    await expect(start).rejects.toMatchObject({ code: 'ERR_TOKEN_SECURE_BOOT' });
    expect(log).not.toHaveBeenCalled();
  });

  it('stops serving when it cannot be attested again', async () => {
    const { cvm, client, startAttestedService } = await guest({ attestation: { tokenLifetimeSeconds: 6 } });
    const messages: string[] = [];
    const service = await startAttestedService({
      client,
      attestationUrl: cvm.attestationUrl,
      log: (message) => messages.push(message),
      retryMs: 100,
    });
    expect((await fetch(service.url)).status).toBe(200);
    await cvm.extendPcr(0, new Uint8Array(32), { logged: false });
    await service.ended;
    expect(messages.some((message) => message.startsWith('could not attest again'))).toBe(true);
    expect(messages.at(-1)).toBe('the token has expired: no longer serving');
    await expect(fetch(service.url)).rejects.toThrow();
  });
});
