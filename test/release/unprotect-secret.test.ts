import { constants, createPrivateKey, privateDecrypt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { unprotectSecret } from '../../lib/guest/unprotect-secret.js';
import type { UnprotectSecretOptions } from '../../lib/index.js';
import { secretOf } from '../../lib/release/secret.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import type { NativeTpm } from '../../lib/tpm/native-tpm.js';
import { fixture, withFixtures } from '../fixtures.js';

interface Vector {
  name: string;
  expect: 'accept' | 'refuse';
  policy: 'RequireAll' | 'AllowUnsigned' | 'AllowLegacy';
  token: string;
  secret?: string;
}

describe.skipIf(!withFixtures)('unprotectSecret with the vectors', () => {
  const file = () =>
    JSON.parse(fixture('protected-secrets/tokens.json').toString('utf8')) as { vmId: string; tokens: Vector[] };
  /** The guest's key in software. RSAES by hand: node:crypto does not undo that padding any more. */
  const tpm = () => {
    const key = createPrivateKey(fixture('protected-secrets/guest-key.pem'));
    return {
      decryptSecretWith: async ({ ciphertext, scheme }: { ciphertext: Uint8Array; scheme: { scheme: string } }) => {
        const refused = Object.assign(new Error('TPM_RC_VALUE'), { kind: 'tpm', tpmErrorCode: 0x1c4 });
        if (scheme.scheme === 'RSA-OAEP') {
          const padding = constants.RSA_PKCS1_OAEP_PADDING;
          return secretOf(privateDecrypt({ key, padding, oaepHash: 'sha256' }, ciphertext));
        }
        const block = privateDecrypt({ key, padding: constants.RSA_NO_PADDING }, ciphertext);
        const end = block.indexOf(0, 2);
        if (block[0] !== 0 || block[1] !== 2 || end < 10) throw refused;
        return secretOf(Buffer.from(block.subarray(end + 1)));
      },
    } as unknown as NativeTpm;
  };
  const guest = () => ({
    tpm: tpm(),
    secretRoots: [fixture('protected-secrets/pki/root.pem')],
    productUuidPath: '/nowhere',
  });
  const options = (vector: Vector): UnprotectSecretOptions => ({
    require: vector.policy,
    vmId: file().vmId,
    maxAgeSeconds: 10 * 365 * 86_400,
  });

  it('unprotectSecret gives the right verdict on every one of the 32 tokens', async () => {
    const { tokens } = file();
    expect(tokens).toHaveLength(32);
    for (const vector of tokens) {
      const outcome = await unprotectSecret(vector.token, options(vector), guest()).catch((error: unknown) => error);
      if (vector.expect === 'accept') expect(outcome, vector.name).toEqual(Buffer.from(vector.secret ?? '', 'base64'));
      else
        expect(outcome, vector.name).toMatchObject({
          name: 'VerificationError',
          code: expect.stringMatching(/^ERR_SECRET_/),
        });
    }
  });

  it('unprotectSecret refuses tokens that have expired, unless it is told how old they may be', async () => {
    const vector = file().tokens[0] as Vector;
    const { maxAgeSeconds: _, ...rest } = options(vector);
    await expect(unprotectSecret(vector.token, rest, guest())).rejects.toMatchObject({ code: 'ERR_SECRET_TIME' });
    const young = { ...rest, maxAgeSeconds: 60 };
    await expect(unprotectSecret(vector.token, young, guest())).rejects.toMatchObject({ code: 'ERR_SECRET_TIME' });
  });
});

let cvm: SimulatedCvm;
let client: ReturnType<SimulatedCvm['client']>;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client();
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

describe('unprotectSecret on a simulated machine', () => {
  const secret = Buffer.from('correct horse battery staple\0');
  const code = (token: string, options?: UnprotectSecretOptions): Promise<unknown> =>
    client.unprotectSecret(token, options).catch((error: { code?: unknown }) => error.code);

  it.each(['rsaes', 'rsaes-oaep'] as const)(
    'unprotectSecret opens a signed and encrypted secret, padding %s',
    async (padding) => {
      const opened = await client.unprotectSecret(cvm.protectSecret(secret, { padding }));
      expect(opened.equals(secret)).toBe(true);
      client.free(opened);
      expect(opened.every((byte) => byte === 0)).toBe(true);
    },
  );

  it('secretsProvisioned says whether the machine has the key', async () => {
    expect(await client.secretsProvisioned()).toBe(true);
    await using bare = await SimulatedCvm.start({ tpm: { guestKey: 'absent' } });
    await using guest = bare.client();
    expect(await guest.secretsProvisioned()).toBe(false);
    const token = cvm.protectSecret(secret, { vmId: bare.vmId });
    await expect(guest.unprotectSecret(token)).rejects.toMatchObject({ code: 26, tpmErrorCode: 0x18b });
  });

  it('unprotectSecret takes unsigned and unencrypted secrets only when it is told to', async () => {
    const unsigned = cvm.protectSecret(secret, { signed: false });
    const clear = cvm.protectSecret(Buffer.from('text'), { encrypted: false });
    expect(await code(unsigned)).toBe('ERR_SECRET_POLICY');
    expect(await code(unsigned, { require: 'signed' })).toBe('ERR_SECRET_POLICY');
    expect(await code(unsigned, { require: 'encrypted' })).toEqual(secret);
    expect(await code(clear)).toBe('ERR_SECRET_POLICY');
    expect(await code(clear, { require: 'encrypted' })).toBe('ERR_SECRET_POLICY');
    expect(await code(clear, { require: 'signed' })).toEqual(Buffer.from('text'));
    expect(await code('just text', { require: 'legacy' })).toEqual(Buffer.from('just text'));
    expect(await code('just text')).toBe('ERR_SECRET_FORMAT');
    expect(await code(unsigned, { require: 'legacy' })).toBe('ERR_SECRET_POLICY');
  });

  const hostile: [what: string, make: () => string, code: string][] = [
    [
      'one for another machine',
      () => cvm.protectSecret(secret, { vmId: '00000000-0000-4000-8000-000000000000' }),
      'ERR_SECRET_DECRYPTION',
    ],
    [
      'one that has expired',
      () => cvm.protectSecret(secret, { issuedAt: new Date(Date.now() - 3_600_000) }),
      'ERR_SECRET_TIME',
    ],
    [
      'one from the future',
      () => cvm.protectSecret(secret, { issuedAt: new Date(Date.now() + 3_600_000) }),
      'ERR_SECRET_TIME',
    ],
    [
      'one by another service',
      () => cvm.protectSecret(secret, { signerCommonName: 'xSecureCPSProvisioning.cloudapp.net' }),
      'ERR_SECRET_CHAIN',
    ],
    [
      'one without an end',
      () => cvm.protectSecret(secret, { claims: ({ exp: _, ...claims }) => claims }),
      'ERR_SECRET_TIME',
    ],
    [
      'alg none with a good signature',
      () => cvm.protectSecret(secret, { header: (header) => ({ ...header, alg: 'none' }) }),
      'ERR_SECRET_SIGNATURE',
    ],
    [
      'one without its certificates',
      () => cvm.protectSecret(secret, { header: ({ x5c: _, ...header }) => header }),
      'ERR_SECRET_CHAIN',
    ],
    [
      'another purpose',
      () => cvm.protectSecret(secret, { header: (header) => ({ ...header, 'x-az-cvm-purpose': 'x' }) }),
      'ERR_SECRET_FORMAT',
    ],
    [
      'an unknown mode',
      () => cvm.protectSecret(secret, { header: (header) => ({ ...header, protectionSettings: { mode: 'x' } }) }),
      'ERR_SECRET_CLAIMS',
    ],
    [
      'signedData beside the encrypted claims',
      () => cvm.protectSecret(secret, { claims: (claims) => ({ ...claims, signedData: 'host' }) }),
      'ERR_SECRET_CLAIMS',
    ],
    [
      'a wrapped key of 600 bytes',
      () =>
        cvm.protectSecret(secret, {
          claims: (claims) => ({ ...claims, wrappedAesTransportKey: Buffer.alloc(600).toString('base64') }),
        }),
      'ERR_SECRET_CLAIMS',
    ],
    [
      'a secret that is shorter than its tag',
      () =>
        cvm.protectSecret(secret, {
          claims: (claims) => ({ ...claims, encryptedSecret: Buffer.alloc(15).toString('base64') }),
        }),
      'ERR_SECRET_CLAIMS',
    ],
    [
      'a block that is encrypted to another key',
      () =>
        cvm.protectSecret(secret, {
          claims: (claims) => ({ ...claims, wrappedAesTransportKey: Buffer.alloc(256, 1).toString('base64') }),
        }),
      'ERR_SECRET_DECRYPTION',
    ],
    ['a megabyte', () => `${cvm.protectSecret(secret)}${'A'.repeat(1_000_000)}`, 'ERR_SECRET_FORMAT'],
  ];
  it.each(hostile)('unprotectSecret refuses %s', async (_, make, expected) => {
    expect(await code(make())).toBe(expected);
  });

  it('unprotectSecret trusts no root but the ones it is given', async () => {
    await using stranger = await SimulatedCvm.start({ authority: 'stranger' });
    const { secretRoots: trustedRoots } = stranger;
    expect(await code(cvm.protectSecret(secret), { trustedRoots })).toBe('ERR_SECRET_CHAIN');
  });

  it('unprotectSecret rejects with error 8 for wrong options, and where the id of the VM cannot be read', async () => {
    const token = cvm.protectSecret(secret);
    for (const options of [{ require: 'nothing' }, { vmId: 'x' }, { maxAge: 1 }, { vmId: undefined }]) {
      expect(await code(token, options as UnprotectSecretOptions)).toBe(8);
    }
    await using elsewhere = cvm.client({ productUuidPath: '/nowhere' });
    await expect(elsewhere.unprotectSecret(token)).rejects.toMatchObject({ code: 8 });
    expect(await elsewhere.unprotectSecret(token, { vmId: cvm.vmId })).toEqual(secret);
  });
});
