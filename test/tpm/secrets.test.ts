import { constants, createCipheriv, publicEncrypt, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TpmProxy } from '../../lib/simulator/paravisor/proxy.js';
import { Algorithm, ObjectAttribute, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { TpmWriter } from '../../lib/simulator/tpm/encoding.js';
import { createPersistentKey } from '../../lib/simulator/tpm/keys.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import type { RsaDecryptScheme } from '../../lib/tpm/types.js';
import { ProxiedTpm } from './proxied-tpm.js';
import { AK_HANDLE, PCRS, rsaKey } from './test-tpm.js';

const GUEST_KEY = 0x8100_0004;
const HASHES = ['SHA-1', 'SHA-256', 'SHA-384'] as const;

let tpms: ProxiedTpm;
let proxy: TpmProxy;
let tpm: NativeTpm;
let guestKey: Buffer;
const keys = new Map<'zeros' | 'empty', Buffer>();

/** TPMT_PUBLIC of the key that secrets are provisioned to: attributes without noDA, empty auth value and policy. */
function guestKeyTemplate(): Buffer {
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(ObjectAttribute.userWithAuth | ObjectAttribute.decrypt | ObjectAttribute.sensitiveDataOrigin)
    .sized(Buffer.alloc(0))
    .u16(Algorithm.null)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(Buffer.alloc(0))
    .toBuffer();
}

beforeAll(async () => {
  tpms = await ProxiedTpm.start();
  ({ proxy } = tpms);
  const { transport } = tpms.swtpm.swtpm;
  guestKey = await createPersistentKey(transport, PermanentHandle.owner, guestKeyTemplate(), GUEST_KEY);
  tpm = new NativeTpm({ tcti: tpms.tcti });
  for (const keyTemplate of ['zeros', 'empty'] as const) {
    keys.set(
      keyTemplate,
      (await tpm.certifyEphemeralKey({ keyHandle: AK_HANDLE, pcrs: PCRS, keyTemplate })).publicArea,
    );
  }
});

afterAll(async () => {
  await tpm?.close();
  expect(await tpms?.swtpm.loaded()).toBe(0);
  await tpms?.stop();
});

function seal(publicArea: Buffer, scheme: RsaDecryptScheme, message: Uint8Array): Buffer {
  const key = rsaKey(publicArea);
  if (scheme.scheme === 'RSAES') return publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, message);
  const oaepHash = scheme.hash.replace('-', '').toLowerCase();
  const { label } = scheme;
  return publicEncrypt(
    { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash, ...(label && { oaepLabel: Buffer.from(label) }) },
    message,
  );
}

const ephemeral = (keyTemplate: 'zeros' | 'empty' = 'zeros') => keys.get(keyTemplate) as Buffer;

describe('the ephemeral key’s template', () => {
  it('gives two keys that coexist, each opening what was sealed to it', async () => {
    expect(ephemeral('zeros')).not.toEqual(ephemeral('empty'));
    const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256' } as const;
    const message = Buffer.from('for one of them');
    for (const keyTemplate of ['zeros', 'empty', 'zeros', 'empty'] as const) {
      const ciphertext = seal(ephemeral(keyTemplate), scheme, message);
      expect(await tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, keyTemplate, scheme })).toEqual(message);
      expect(await tpm.unwrapKey({ wrapped: ciphertext, pcrs: PCRS, keyTemplate })).toEqual(message);
      const other = keyTemplate === 'zeros' ? 'empty' : 'zeros';
      expect(await tpm.unwrapKey({ wrapped: ciphertext, pcrs: PCRS, keyTemplate: other })).toBeUndefined();
      expect(await tpm.confirmKey({ pcrs: PCRS, keyTemplate: other })).toBe(true);
    }
  });

  it('of an unknown name is refused', async () => {
    const unknown = tpm.confirmKey({ pcrs: PCRS, keyTemplate: 'ones' as 'zeros' });
    await expect(unknown).rejects.toThrow(RangeError);
  });
});

describe('rsaDecrypt with a label', () => {
  const label = Buffer.from('DUPLICATE\0');
  it.each(HASHES)('opens OAEP with %s under the label that it was made with, and under no other', async (hash) => {
    const message = Buffer.from('labelled');
    const ciphertext = seal(ephemeral(), { scheme: 'RSA-OAEP', hash, label }, message);
    const open = (scheme: RsaDecryptScheme) => tpm.rsaDecrypt({ ciphertext, pcrs: PCRS, scheme });
    expect(await open({ scheme: 'RSA-OAEP', hash, label })).toEqual(message);
    await expect(open({ scheme: 'RSA-OAEP', hash })).rejects.toMatchObject({ kind: 'tpm' });
    await expect(open({ scheme: 'RSA-OAEP', hash, label: Buffer.from('OTHER\0') })).rejects.toMatchObject({
      kind: 'tpm',
    });
  });

  it.each([
    ['without a zero byte at its end', 'label'],
    ['with a zero byte inside', 'la\0bel\0'],
    ['longer than 64 bytes', `${'l'.repeat(70)}\0`],
  ])('refuses one %s before the TPM sees it', async (_, text) => {
    const trace = proxy.trace();
    const scheme = { scheme: 'RSA-OAEP', hash: 'SHA-256', label: Buffer.from(text) } as const;
    const refused = tpm.rsaDecrypt({ ciphertext: Buffer.alloc(256, 1), pcrs: PCRS, scheme });
    await expect(refused).rejects.toMatchObject({ kind: 'invalid-argument' });
    expect(trace.stop().filter(({ name }) => name === 'RSA_Decrypt')).toEqual([]);
  });
});

describe('rsaDecryptSecret', () => {
  it.each(HASHES)('opens the transport key and the wrapped key of a released key, OAEP with %s', async (hash) => {
    const transportKey = randomBytes(32);
    const released = randomBytes(1219);
    const cipher = createCipheriv('id-aes256-wrap-pad', transportKey, Buffer.from('a65959a6', 'hex'));
    const wrapped = Buffer.concat([cipher.update(released), cipher.final()]);
    const scheme = { scheme: 'RSA-OAEP', hash } as const;
    const ciphertext = seal(ephemeral(), scheme, transportKey);
    const transport = await tpm.rsaDecryptSecret({ ciphertext, pcrs: PCRS, scheme });
    expect(transport.size).toBe(32);
    const key = transport.unwrapWithPadding(wrapped);
    transport.destroy();
    expect(Buffer.from(key.copy())).toEqual(released);
    key.destroy();
  });
});

describe('decryptSecretWith', () => {
  it('opens with a persistent key of empty auth, over the TPM_RC_RETRY of its first use', async () => {
    const publicArea = guestKey;
    const message = randomBytes(32);
    const trace = proxy.trace();
    for (const scheme of [{ scheme: 'RSAES' }, { scheme: 'RSA-OAEP', hash: 'SHA-256' }] as const) {
      const ciphertext = seal(publicArea, scheme, message);
      const secret = await tpm.decryptSecretWith({ keyHandle: GUEST_KEY, ciphertext, scheme });
      expect(Buffer.from(secret.copy())).toEqual(message);
      secret.destroy();
    }
    expect(trace.stop().map(({ name }) => name)).toEqual(['RSA_Decrypt', 'RSA_Decrypt', 'RSA_Decrypt']);
  });

  it('passes on what the TPM says of a key that is not there and of a block above the modulus', async () => {
    const scheme = { scheme: 'RSAES' } as const;
    const ciphertext = seal(ephemeral(), scheme, randomBytes(32));
    const tooLarge = Buffer.alloc(ciphertext.length, 0xff);
    const wrongBlock = tpm.decryptSecretWith({ keyHandle: GUEST_KEY, ciphertext: tooLarge, scheme });
    await expect(wrongBlock).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: expect.any(Number) });
    const noKey = tpm.decryptSecretWith({ keyHandle: 0x8100_0009, ciphertext, scheme });
    await expect(noKey).rejects.toMatchObject({ kind: 'tpm', tpmErrorCode: 0x18b }); // TPM_RC_HANDLE
  });
});
