import { randomBytes } from 'node:crypto';
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
import { clientOf } from '../guest/client.js';

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
