import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt } from 'jose';
import { afterEach, expect, it, vi } from 'vitest';
import { evidenceToJson, type VerificationOptions, verifyEvidence } from '../../lib/index.js';
import {
  createVerifierService,
  memoryReplayStore,
  type VerifierServiceOptions,
} from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { AmdAuthority } from '../../lib/simulator/pki/amd.js';

const ISSUER = 'https://verifier.example';
const signingKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ format: 'pem', type: 'pkcs8' })
  .toString();

afterEach(() => {
  vi.useRealTimers();
});

/** `exp` of a result that is made a minute before a time. */
async function expiryOf(end: number, body: string, options: Partial<VerifierServiceOptions>): Promise<number> {
  const service = createVerifierService({
    issuer: ISSUER,
    audiences: ['https://service.example'],
    signingKeys,
    secret: Buffer.alloc(32, 9),
    store: memoryReplayStore(),
    allowAnyMachine: true,
    ...options,
  });
  vi.useFakeTimers({ toFake: ['Date'], now: end - 60_000 });
  const answer = await service(new Request(`${ISSUER}/v1/evidence`, { method: 'POST', body }));
  const claims = decodeJwt(((await answer.json()) as { ear: string }).ear);
  const { cvm } = claims.submods as Record<string, Record<string, unknown>>;
  expect(cvm?.['ear.status']).toBe('warning');
  return (claims.exp as number) * 1000;
}

it('a result ends with the collateral of TDX that it rests on', async () => {
  await using machine = await SimulatedCvm.start({ vmType: 'tdx' });
  await using client = machine.client();
  const evidence = await client.getEvidence();
  const verified = await verifyEvidence(evidence, machine.verification as VerificationOptions);
  const end = verified.tee === 'tdx' ? Number(verified.tcb?.collateralExpires) : 0;
  const body = JSON.stringify({ evidence: JSON.parse(evidenceToJson(evidence)) });
  expect(await expiryOf(end, body, machine.verification)).toBe(Math.floor(end / 1000) * 1000);
});

it('a result ends with the revocation list that it rests on, and not with that of another root', async () => {
  await using machine = await SimulatedCvm.start();
  await using client = machine.client();
  const body = JSON.stringify({ evidence: JSON.parse(evidenceToJson(await client.getEvidence())) });
  const end = Math.ceil(Date.now() / 1000) * 1000 + 86_400_000;
  const nextUpdate = new Date(end);
  const used = machine.authority.revocationList({ nextUpdate });
  for (const crls of [[used], async () => used]) {
    expect(await expiryOf(end, body, { ...machine.verification, crls })).toBe(end);
    vi.useRealTimers();
  }
  const genoa = await AmdAuthority.create({ product: 'Genoa' });
  const crls = [genoa.revocationList({ nextUpdate }), machine.authority.revocationList()];
  expect(await expiryOf(end, body, { ...machine.verification, crls })).toBe(end - 60_000 + 300_000);
});
