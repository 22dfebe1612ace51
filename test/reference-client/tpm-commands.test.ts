import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectQuoteAndKey } from '../../lib/guest/tpm-evidence.js';
import type { AttestationClient, DecryptOptions } from '../../lib/index.js';
import { SimulatedCvm, type TracedCommand } from '../../lib/simulator/index.js';
import type { GuestTpm } from '../../lib/tpm/native-tpm.js';
import { fixture, withFixtures } from '../fixtures.js';
import { clientOf } from '../guest/client.js';
import { type TranscriptEntry, tpmEvidence, transcript } from './tpm-transcript.js';

const theirs = (name: string, path = 'reference-client/snp/tpm-attest.log'): TranscriptEntry[] =>
  transcript(path).filter((entry) => entry.name === name);

describe.skipIf(!withFixtures)("our TPM commands beside the reference client's", () => {
  let cvm: SimulatedCvm;
  let client: AttestationClient;
  let commands: readonly TracedCommand[];
  beforeAll(async () => {
    cvm = await SimulatedCvm.start({ tpm: { resourceManager: false } });
    client = clientOf(cvm);
    const trace = cvm.trace();
    await client.attest({ attestationUrl: cvm.attestationUrl });
    commands = trace.stop();
  });
  afterAll(async () => {
    await client?.close();
    await cvm?.stop();
  });
  const ours = (name: string): TracedCommand[] => commands.filter((entry) => entry.name === name);

  it.each(['ReadPublic', 'PCR_Read', 'Quote', 'Certify'])('%s is the same, byte for byte', (name) => {
    expect(ours(name).length).toBeGreaterThan(0);
    for (const { command } of ours(name)) expect(command).toEqual(theirs(name)[0]?.command);
  });

  it('CreatePrimary is the same but for the policy, which follows the PCRs', () => {
    const [mine, reference] = [ours('CreatePrimary'), theirs('CreatePrimary')];
    expect([mine.length, reference.length]).toEqual([1, 2]);
    const policy = (command: Buffer): number => command.indexOf(Buffer.from('00020432', 'hex')) + 6;
    const withoutPolicy = (command: Buffer): Buffer =>
      Buffer.from(command).fill(0, policy(command), policy(command) + 32);
    const [own = Buffer.alloc(0), their = Buffer.alloc(0)] = [mine[0]?.command, reference[0]?.command];
    expect(policy(own)).toBe(policy(their));
    expect(withoutPolicy(own)).toEqual(withoutPolicy(their));
    expect(own).not.toEqual(their);
  });

  it('PolicyPCR is over the same selection', () => {
    const [own, their] = [ours('PolicyPCR')[0]?.command, theirs('PolicyPCR')[0]?.command];
    expect(own?.length).toBe(their?.length);
    // Header and session handle, size of the digest; then the digest; then the selection.
    expect(own?.subarray(14, 16)).toEqual(their?.subarray(14, 16));
    expect(own?.subarray(48)).toEqual(their?.subarray(48));
  });

  it('NV is read with owner authorization and an empty password, in chunks from offset 0', () => {
    const prefix = (command: Buffer | undefined) => command?.subarray(10, 31).toString('hex');
    for (const index of ['01c101d0', '01400001']) {
      const of = (entries: readonly { command: Buffer }[]) =>
        entries.map(({ command }) => command).filter((command) => command.toString('hex', 14, 18) === index);
      const [own, their] = [of(ours('NV_Read')), of(theirs('NV_Read'))];
      expect(own.length).toBeGreaterThan(0);
      for (const command of own) expect(prefix(command)).toBe(prefix(their[0]));
      expect(own[0]?.readUInt16BE(33)).toBe(0);
    }
  });

  const ciphertexts: [string, string, DecryptOptions][] = [
    ['p1-rsaes-sha1', 'p1', { scheme: 'RSAES' }],
    ['p32-rsaes-sha1', 'p32', { scheme: 'RSAES' }],
    ['p245-rsaes-sha1', 'p245', { scheme: 'RSAES' }],
    ['p32-rsaes-sha256', 'p32', { scheme: 'RSAES', hash: 'SHA-256' }],
    ['p32-oaep-sha1', 'p32', { scheme: 'RSA-OAEP', hash: 'SHA-1' }],
    ['p32-oaep-sha256', 'p32', { scheme: 'RSA-OAEP', hash: 'SHA-256' }],
    ['p32-oaep-sha384', 'p32', { scheme: 'RSA-OAEP', hash: 'SHA-384' }],
    ['p32-oaep-sha512', 'p32', { scheme: 'RSA-OAEP', hash: 'SHA-512' }],
  ];
  it.each(ciphertexts)(
    'RSA_Decrypt of %s has the parameters with which its TPM found the plaintext',
    async (name, plain, options) => {
      for (const folder of ['snp', 'trusted-launch']) {
        const base = `reference-client/${folder}`;
        const ciphertext = fixture(`${base}/crypt/${name}.ct`);
        const parameters = (command: Buffer): string => command.toString('hex', command.indexOf(ciphertext) - 2);
        const reference = theirs('RSA_Decrypt', `${base}/tpm-decrypt.log`).find(({ command }) =>
          command.includes(ciphertext),
        );
        expect(reference?.response.includes(fixture(`${base}/crypt/${plain}.pt`))).toBe(true);

        // Its key was in another TPM: ours refuses the block, but is asked for the same. Over OpenSSL 3.2 it answers wrong
        // PKCS#1 padding with bytes that it makes up.
        const trace = cvm.trace();
        const opened = client.decrypt(ciphertext, { type: 'None', ...options });
        if (options.scheme === 'RSAES') {
          const madeUp = await opened.catch((error: unknown) => expect(error).toMatchObject({ code: 26 }));
          expect(madeUp).not.toEqual(fixture(`${base}/crypt/${plain}.pt`));
        } else {
          await expect(opened).rejects.toMatchObject({ code: 26 });
        }
        const own = trace.stop().find((entry) => entry.name === 'RSA_Decrypt');
        expect(parameters(own?.command ?? Buffer.alloc(0))).toBe(parameters(reference?.command ?? Buffer.alloc(1)));
      }
    },
  );
});

describe.skipIf(!withFixtures)("the answers of the reference client's TPM", () => {
  it.each(['snp', 'trusted-launch'])('%s: quote, PCRs and key belong together, as ours must', async (folder) => {
    const evidence = tpmEvidence(`reference-client/${folder}/tpm-attest.log`);
    const tpm = {
      readPcrs: async () => evidence.pcrs,
      quote: async () => evidence.quote,
      certifyEphemeralKey: async () => evidence.ephemeralKey,
    } as unknown as GuestTpm;
    const request = { qualifyingData: new Uint8Array(), pcrs: [0, 1, 2, 3, 4, 5, 6, 7] };
    expect(await collectQuoteAndKey(tpm, request)).toEqual({
      quote: evidence.quote,
      pcrs: evidence.pcrs,
      ephemeralKey: evidence.ephemeralKey,
    });

    const nonce = { ...request, qualifyingData: Buffer.from('x') };
    await expect(collectQuoteAndKey(tpm, nonce)).rejects.toMatchObject({ code: 9 });
    const swapped = { ...tpm, quote: async () => ({ ...evidence.quote, message: evidence.ephemeralKey.certifyInfo }) };
    await expect(collectQuoteAndKey(swapped as GuestTpm, request)).rejects.toMatchObject({ code: 9 });
    const changed = new Map(evidence.pcrs).set(3, Buffer.alloc(32));
    const moving = { ...tpm, readPcrs: async () => changed } as GuestTpm;
    await expect(collectQuoteAndKey(moving, request)).rejects.toMatchObject({ code: 13 });
    const empty = { ...tpm, readPcrs: async () => new Map() } as GuestTpm;
    await expect(collectQuoteAndKey(empty, request)).rejects.toMatchObject({ code: 9 });
  });
});
