import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTpm2bPublic } from '../../lib/abi/tpm.js';
import {
  type AttestationClient,
  createEncryptor,
  encrypt,
  encryptChunks,
  encryptJwe,
  type KeyTemplate,
  type RsaPublicJwk,
} from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { clientOf } from './client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
let keys: Record<KeyTemplate, RsaPublicJwk>;
beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
  keys = { zeros: await publicKey('zeros'), empty: await publicKey('empty') };
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

async function publicKey(keyTemplate: KeyTemplate): Promise<RsaPublicJwk> {
  const tpm = new NativeTpm({ tcti: cvm.tcti });
  try {
    const pcrs = [0, 1, 2, 3, 4, 5, 6, 7];
    const { publicArea } = await tpm.certifyEphemeralKey({ keyHandle: 0x81000003, pcrs, keyTemplate });
    return { kty: 'RSA', n: Buffer.from(parseTpm2bPublic(publicArea).modulus).toString('base64url'), e: 'AQAB' };
  } finally {
    await tpm.close();
  }
}

const MESSAGE = Buffer.from('for one of two keys');

describe('the key that a message is for', () => {
  it('differs between the templates', () => {
    expect(keys.zeros.n).not.toBe(keys.empty.n);
  });

  it.each(['zeros', 'empty'] as const)(
    'with %s in its template is chosen by jkt, in every format',
    async (template) => {
      const key = keys[template];
      await using fresh = clientOf(cvm);
      expect(await fresh.decryptJwe(await encryptJwe(key, MESSAGE))).toEqual(MESSAGE);
      const sealed = await encrypt(key, MESSAGE);
      expect(await fresh.decrypt(sealed.encryptedData, sealed)).toEqual(MESSAGE);
      const session = await Promise.resolve(createEncryptor(key));
      using opened = await fresh.createDecryptor(session.metadata);
      expect(opened.decrypt(session.encrypt(MESSAGE))).toEqual(MESSAGE);
      session.close();
      const stream: Uint8Array[] = [];
      for await (const part of fresh.decryptChunks(encryptChunks(key, [MESSAGE]))) stream.push(part);
      expect(Buffer.concat(stream)).toEqual(MESSAGE);
    },
  );

  it('of one RSA block is the option’s, by default that of zeros', async () => {
    for (const template of ['zeros', 'empty'] as const) {
      const { encryptedData } = await encrypt(keys[template], MESSAGE, { type: 'None' });
      expect(await client.decrypt(encryptedData, { type: 'None', keyTemplate: template })).toEqual(MESSAGE);
    }
    const { encryptedData } = await encrypt(keys.empty, MESSAGE, { type: 'None' });
    await expect(client.decrypt(encryptedData, { type: 'None' })).rejects.toMatchObject({ code: 26 });
  });

  it('that the option names is used, whatever jkt says, and the other one is never tried', async () => {
    const sealed = await encrypt(keys.empty, MESSAGE);
    const trace = cvm.trace();
    await expect(client.decrypt(sealed.encryptedData, { ...sealed, keyTemplate: 'zeros' })).rejects.toMatchObject({
      code: 26,
    });
    expect(trace.counts().RSA_Decrypt).toBe(1);
    trace.stop();
    expect(await client.decrypt(sealed.encryptedData, { ...sealed, keyTemplate: 'empty' })).toEqual(MESSAGE);
  });

  it('is found by jkt after the keys have changed, with one key generation each', async () => {
    await cvm.extendPcr(5, Buffer.alloc(32, 1));
    for (const template of ['empty', 'zeros'] as const) {
      expect(await client.decryptJwe(await encryptJwe(await publicKey(template), MESSAGE))).toEqual(MESSAGE);
    }
  });

  it.each(['Zeros', '', null, undefined, 0])('8: %o for keyTemplate', async (keyTemplate) => {
    await expect(client.decrypt(new Uint8Array(256), { type: 'None', keyTemplate } as never)).rejects.toMatchObject({
      code: 8,
    });
  });
});
