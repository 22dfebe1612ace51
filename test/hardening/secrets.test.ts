import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type AttestationClient,
  createEncryptor,
  encrypt,
  encryptJwe,
  type Logger,
  MaaClient,
  verifyToken,
} from '../../lib/index.js';
import { attestationPaths, imdsPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../client/client.js';

let cvm: SimulatedCvm;
let client: AttestationClient;
let token: string;
const said: string[] = [];
const logger: Logger = Object.fromEntries(
  (['debug', 'info', 'warn', 'error'] as const).map((level) => [
    level,
    (...words: unknown[]) => void said.push(inspect(words, { depth: 20 })),
  ]),
) as unknown as Logger;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm, { logger, keyCache: true });
  token = await client.attest({ attestationUrl: cvm.attestationUrl });
});
afterAll(async () => {
  await client?.close();
  await cvm?.stop();
});

/** Everything that a careless line of code may print of a value. */
function printed(value: unknown): string {
  const json = JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? String(member) : member)) ?? '';
  return [inspect(value, { depth: 20, showHidden: true, maxStringLength: null }), json, String(value)].join('\n');
}

/** The forms that bytes are printed in. */
function forms(secret: Uint8Array): string[] {
  const bytes = Buffer.from(secret);
  const listed = [...bytes];
  return [
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, 20),
    bytes.toString('base64url').slice(0, 20),
    listed.slice(0, 8).join(', '),
    listed.slice(0, 8).join(','),
    [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
  ];
}

function expectSilence(text: string, secrets: string[]): void {
  for (const secret of secrets) expect(text.includes(secret), `${secret.slice(0, 12)}… is printed`).toBe(false);
}

const signature = () => token.split('.')[2] ?? '';

it('no public object shows a key, a plaintext or a token', async () => {
  const message = randomBytes(64);
  const encryptor = createEncryptor(token);
  const sealed = encryptor.encrypt(message);
  const decryptor = await client.createDecryptor(encryptor.metadata);
  expect(decryptor.decrypt(sealed)).toEqual(message);
  const jwe = await encryptJwe(token, message);
  expect(await client.decryptJwe(jwe)).toEqual(message);
  const maa = new MaaClient(cvm.attestationUrl, {
    credential: { getToken: async () => ({ token: 'bearer-secret-of-the-caller' }) },
  });
  const shown = [client, encryptor, decryptor, maa, client.createDecryptStream()].map(printed).join('\n');
  expectSilence(shown, [...forms(message), signature(), 'bearer-secret-of-the-caller']);
  // The check can fail.
  expect(() => expectSilence(printed({ token, message }), forms(message))).toThrow();
  expect(() => expectSilence(printed({ token }), [signature()])).toThrow();
  encryptor.close();
  decryptor.close();
});

it('no error and no log line shows a key, a plaintext or a token', async () => {
  const message = randomBytes(64);
  const { encryptedData, encryptionMetadata } = await encrypt(token, message);
  const errors: unknown[] = [];
  const keep = (call: Promise<unknown>) =>
    call.then(
      () => expect.unreachable('must fail'),
      (error: unknown) => void errors.push(error),
    );
  const changed = Buffer.from(encryptedData);
  changed[0] = (changed[0] ?? 0) ^ 1;
  await keep(client.decrypt(changed, { encryptionMetadata }));
  await keep(client.decrypt(randomBytes(256), { type: 'None' }));
  await keep(client.decryptJwe(`${token.split('.').slice(0, 2).join('.')}.${signature()}`));
  await keep(verifyToken(`${token.slice(0, -4)}AAAA`, { issuer: cvm.attestationUrl, keys: cvm.tokenKeys as never }));
  await keep(verifyToken(token, { issuer: 'https://another.example', keys: cvm.tokenKeys as never }));
  // Services that answer with a token where none is to be, and with one that cannot be read.
  cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', body: `"${token}"` });
  await keep(client.attest({ attestationUrl: cvm.attestationUrl }));
  cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', body: { token } });
  await keep(client.attest({ attestationUrl: cvm.attestationUrl }));
  cvm.attestation.respond(attestationPaths.guest, { kind: 'answer', body: `{"token":"${token}` });
  await keep(client.attest({ attestationUrl: cvm.attestationUrl }));
  cvm.imds.respond(imdsPaths.thimCertification, { kind: 'answer', body: `{"token":"${token}` });
  await keep(client.attest({ attestationUrl: cvm.attestationUrl }));
  cvm.tpm.injectFault({ command: 'RSA_Decrypt', action: { kind: 'error', responseCode: 0x101 } });
  await keep(client.decrypt(encryptedData, { encryptionMetadata }));
  cvm.tpm.clearFaults();
  expectSilence([...errors.map(printed), ...said].join('\n'), [...forms(message), signature()]);
  expect(errors.length).toBeGreaterThan(9);
});

it('a decryption fails in one way, whatever was wrong inside', async () => {
  const { encryptedData, encryptionMetadata } = await encrypt(token, randomBytes(1_000));
  const metadata = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString()) as object;
  const withKey = (block: Buffer) =>
    Buffer.from(
      Buffer.from(JSON.stringify({ ...metadata, encrypted_key: block.toString('base64url') })).toString('base64'),
    );
  const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    'x-ms-runtime': { keys: { kid: string; n: string; e: string }[] };
  };
  const { n, e } = claims['x-ms-runtime'].keys.find(({ kid }) => kid === 'TpmEphemeralEncryptionKey') ?? {};
  const key = createPublicKey({ key: { kty: 'RSA', n: n ?? '', e: e ?? '' }, format: 'jwk' });
  const wrap = (bytes: Buffer, padding = constants.RSA_PKCS1_OAEP_PADDING, oaepHash = 'sha256') =>
    publicEncrypt(padding === constants.RSA_PKCS1_OAEP_PADDING ? { key, padding, oaepHash } : { key, padding }, bytes);
  const changed = Buffer.from(encryptedData);
  changed[500] = (changed[500] ?? 0) ^ 1;
  const attempts: [Buffer, Buffer][] = [
    [changed, encryptionMetadata],
    [encryptedData, withKey(Buffer.concat([Buffer.alloc(1), randomBytes(255)]))],
    [encryptedData, withKey(Buffer.alloc(256, 0xff))],
    [encryptedData, withKey(wrap(randomBytes(32)))],
    [encryptedData, withKey(wrap(randomBytes(16)))],
    [encryptedData, withKey(wrap(randomBytes(0)))],
    [encryptedData, withKey(wrap(randomBytes(32), constants.RSA_PKCS1_PADDING))],
    [encryptedData, withKey(wrap(randomBytes(32), constants.RSA_PKCS1_OAEP_PADDING, 'sha1'))],
  ];
  const failures = new Set<string>();
  for (const [data, meta] of attempts) {
    const error = await client.decrypt(data, { encryptionMetadata: meta }).catch((reason: unknown) => reason);
    const { stack: _, ...members } = Object.getOwnPropertyDescriptors(error as Error);
    failures.add(inspect({ name: (error as Error).name, members }));
  }
  expect([...failures]).toHaveLength(1);
  expect([...failures][0]).toContain('value: 26');
});
