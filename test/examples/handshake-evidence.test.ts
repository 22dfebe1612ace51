import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttestationClient, type Evidence, evidenceToJson, type VerificationPolicy } from '../../lib/index.js';
import { type LoopbackTls, SimulatedCvm } from '../../lib/simulator/index.js';
import { HandshakeScene, type SecretsManager } from './handshake.js';
import { importExample, runExample } from './run.js';

interface HandshakeExample {
  startSecretsManager(options: {
    tls: LoopbackTls;
    secret: Uint8Array;
    vmId: string;
    trustedRoots: string[];
    policy: VerificationPolicy;
  }): Promise<SecretsManager>;
  fetchSecret(options: { client: AttestationClient; secretsManagerUrl: string; ca: string }): Promise<Buffer>;
}

const DEBUG_ALLOWED = 0x3001fn | (1n << 19n);
let example: HandshakeExample;
let scene: HandshakeScene;

beforeAll(async () => {
  example = await importExample<HandshakeExample>('handshake-evidence.mjs');
  scene = await HandshakeScene.start(({ tls, secret, cvm: { vmId, verification } }) =>
    example.startSecretsManager({ tls, secret, vmId, ...verification }),
  );
});
afterAll(() => scene?.stop());

const collect = (nonce: string, by = scene.client): Promise<Evidence> =>
  by.getEvidence({ nonce: Buffer.from(nonce, 'hex') });
const show = (nonce: string, evidence: Evidence) => scene.ask('/secret', { nonce, evidence: evidenceToJson(evidence) });

describe('example: handshake with evidence', () => {
  it('runs by one command', async () => {
    const { code, output } = await runExample('handshake-evidence.mjs');
    expect(output.split('\n')).toEqual([
      'the right guest decrypts: the database password',
      'a guest whose policy allows debugging: refused: ERR_POLICY',
      'a replayed nonce: refused: ERR_NONCE',
      '',
    ]);
    expect(code).toBe(0);
  });

  it('gives the right guest the secret, which its TPM decrypts', async () => {
    const options = { client: scene.client, ...scene.access };
    expect((await example.fetchSecret(options)).equals(scene.secret)).toBe(true);
  });

  it('gives a replayed nonce, and old evidence with a fresh nonce, nothing', async () => {
    const nonce = await scene.freshNonce();
    const evidence = await collect(nonce);
    await expect(show(nonce, evidence)).resolves.toHaveProperty('jwe');
    await expect(show(nonce, evidence)).rejects.toThrow('ERR_NONCE');
    await expect(show(await scene.freshNonce(), evidence)).rejects.toThrow('ERR_QUOTE_NONCE');
  });

  it('gives another VM nothing', async () => {
    const nonce = await scene.freshNonce();
    await expect(show(nonce, await collect(nonce, scene.stranger))).rejects.toThrow('ERR_POLICY');
  });

  it('gives another VM that shows this one’s report nothing', async () => {
    const nonce = await scene.freshNonce();
    const [own, stolen] = [await collect(nonce, scene.stranger), await collect(nonce)];
    const { hclReport, certificates } = stolen;
    const mixed: Evidence = { ...own, hclReport, ...(certificates && { certificates }) };
    await expect(show(nonce, mixed)).rejects.toThrow(/^refused: ERR_/);
  });

  it('encrypts to no key but one that this VM’s TPM has certified', async () => {
    const first = await scene.freshNonce();
    const { ephemeralKey } = await collect(first, scene.stranger);
    if (ephemeralKey === undefined) throw new Error('evidence with a quote has a key');
    await expect(show(first, { ...(await collect(first)), ephemeralKey })).rejects.toThrow('ERR_ENCRYPTION_KEY');
    const second = await scene.freshNonce();
    const { ephemeralKey: _, ...without } = await collect(second);
    await expect(show(second, without)).rejects.toThrow('ERR_ENCRYPTION_KEY');
  });

  it('gives evidence without a quote nothing', async () => {
    const nonce = await scene.freshNonce();
    const { quote: _, ephemeralKey: __, ...without } = await collect(nonce);
    await expect(show(nonce, without)).rejects.toThrow(/^refused: ERR_QUOTE/);
  });

  it('gives a guest whose policy allows debugging nothing', async () => {
    await using debuggable = await SimulatedCvm.start({ vmId: scene.cvm.vmId, snpReport: { policy: DEBUG_ALLOWED } });
    await using tampered = debuggable.client();
    const nonce = await scene.freshNonce();
    await expect(show(nonce, await collect(nonce, tampered))).rejects.toThrow('ERR_POLICY');
  });

  it('gives nothing to hardware under an untrusted root', async () => {
    await using forged = await SimulatedCvm.start({ vmId: scene.cvm.vmId, authority: 'stranger' });
    await using forger = forged.client();
    const nonce = await scene.freshNonce();
    await expect(show(nonce, await collect(nonce, forger))).rejects.toThrow('ERR_ARK_NOT_TRUSTED');
    // Another authority's RSA-4096 keys have to be made first.
  }, 120_000);
});
