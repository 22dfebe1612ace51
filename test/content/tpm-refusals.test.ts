import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AttestationClient, createEncryptor, encrypt, encryptJwe } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { pattern } from './software-key.js';

/** What a TPM says when it did not do its work: it says nothing of the ciphertext then. */
const FAILURES = {
  TPM_RC_PCR_CHANGED: { command: 'RSA_Decrypt', responseCode: 0x128 },
  TPM_RC_POLICY_FAIL: { command: 'RSA_Decrypt', responseCode: 0x99d },
  'TPM_RC_PCR_CHANGED of PolicyPCR': { command: 'PolicyPCR', responseCode: 0x128 },
  'TPM_RC_VALUE of PolicyPCR': { command: 'PolicyPCR', responseCode: 0x1c4 },
  TPM_RC_LOCKOUT: { command: 'RSA_Decrypt', responseCode: 0x921 },
  TPM_RC_FAILURE: { command: 'PolicyPCR', responseCode: 0x101 },
} as const;
/** What a TPM says of a block that is not padded as it should be. */
const REFUSALS = { TPM_RC_VALUE: 0x1c4, TPM_RC_SIZE: 0x1d5 };
const persistent = { times: 1000 };

let cvm: SimulatedCvm;
let client: AttestationClient;
let token: string;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
  token = await client.attest({ attestationUrl: cvm.attestationUrl });
});
beforeEach(() => cvm.tpm.clearFaults());
afterAll(async () => {
  cvm?.tpm.clearFaults();
  await client?.close();
  await cvm?.stop();
});

/** Every way of decrypting, with the same wrong done to all. */
async function everyWay(): Promise<Record<string, () => Promise<unknown>>> {
  const block = await encrypt(token, pattern(10), { type: 'None' });
  const envelope = await encrypt(token, pattern(10));
  const jwe = await encryptJwe(token, pattern(10));
  using encryptor = createEncryptor(token);
  const { metadata } = encryptor;
  return {
    block: () => client.decrypt(block.encryptedData, { type: 'None' }),
    envelope: () => client.decrypt(envelope.encryptedData, { encryptionMetadata: envelope.encryptionMetadata }),
    JWE: () => client.decryptJwe(jwe),
    session: () => client.createDecryptor(metadata),
  };
}

describe('a TPM that did not do its work', () => {
  it.each(Object.entries(FAILURES))(
    'with %s again and again fails every way of decrypting with 26 and that code',
    { timeout: 60_000 },
    async (_name, { command, responseCode }) => {
      for (const [way, decrypt] of Object.entries(await everyWay())) {
        cvm.tpm.injectFault({ command, ...persistent, action: { kind: 'error', responseCode } });
        const error = (await decrypt().catch((reason: unknown) => reason)) as Error;
        cvm.tpm.clearFaults();
        expect(error, way).toMatchObject({ name: 'AttestationError', code: 26, tpmErrorCode: responseCode });
        expect(error.message, way).not.toMatch(/wrong key|metadata was changed/);
      }
    },
  );

  it('leaves nothing behind: the next decryption of every kind comes through', async () => {
    for (const decrypt of Object.values(await everyWay())) await decrypt();
  });
});

describe('a TPM that refuses a block', () => {
  it.each(Object.entries(REFUSALS))(
    'with %s says its code for one block, and nothing that tells padding from tag for a wrapped key',
    async (_name, responseCode) => {
      const { block, ...wrapped } = await everyWay();
      const strike = () =>
        cvm.tpm.injectFault({ command: 'RSA_Decrypt', ...persistent, action: { kind: 'error', responseCode } });
      strike();
      await expect(block?.()).rejects.toMatchObject({ code: 26, tpmErrorCode: responseCode });
      for (const decrypt of Object.values(wrapped)) {
        const error = (await decrypt().catch((reason: unknown) => reason)) as Error;
        expect(error).toMatchObject({ name: 'AttestationError', code: 26, tpmErrorCode: 0 });
        expect(error.cause).toBeUndefined();
      }
    },
  );
});
