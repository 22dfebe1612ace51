import { type KeyObject, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { keyForms } from './aes-key-forms.js';
import type { Needles } from './process-memory.js';
import { ScannedGuest } from './scanned-guest.js';

// As memory.test.ts, for released keys and provisioned secrets: a guest in a process of its own, looked through from
// outside. What it still holds must be found, else the search proves nothing.

let cvm: SimulatedCvm;
/** Another client of the same machine: it unwraps the transport keys that the guest has seen. */
let reader: AttestationClient;
let guest: ScannedGuest;
let answers: string[];

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  reader = cvm.client();
  guest = ScannedGuest.start('key-keeper.mjs');
  answers = [];
  cvm.keyVault.respond('*', {
    kind: 'modify',
    times: Number.POSITIVE_INFINITY,
    modify: (answer) => {
      answers.push(answer.body.toString('utf8'));
      return answer;
    },
  });
  const { tcti, imdsUrl, eventLogPath, osReleasePath, productUuidPath, secretRoots } = cvm;
  const keyVault = { allowedHosts: [cvm.keyVault.host], trustedRoots: cvm.keyVault.trustedRoots };
  await guest.tell('start', {
    client: { tcti, imdsUrl, eventLogPath, osReleasePath, productUuidPath, secretRoots, keyVault },
    wiring: { vaultUrl: cvm.keyVaultUrl, attestationUrl: cvm.attestationUrl },
  });
});
afterAll(async () => {
  guest?.stop();
  await reader?.close();
  await cvm?.stop();
});

/** The transport key of the last answer, in every form that lets somebody decrypt. */
async function transportKey(): Promise<Needles> {
  const { value } = JSON.parse(answers.at(-1) ?? '') as { value: string };
  const payload = JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString('utf8'));
  const blob = JSON.parse(Buffer.from(payload.response.key.key.key_hsm, 'base64url').toString('utf8'));
  const block = Buffer.from(blob.ciphertext, 'base64url').subarray(0, 256);
  const key = await reader.decrypt(block, { type: 'None', scheme: 'RSA-OAEP', hash: 'SHA-256' });
  return keyForms('transport key', key);
}

/** Sixteen bytes of each secret number: as in PKCS#8, and as numbers of this machine. */
function numbersOf(key: KeyObject): { big: Needles; little: Needles; text: Needles } {
  const { d = '', p, q } = key.export({ format: 'jwk' });
  const numbers = Object.entries({ d, ...(p && { p }), ...(q && { q }) }).map(
    ([name, text]) => [name, Buffer.from(text, 'base64url'), Buffer.from(text)] as const,
  );
  const part = (what: string, make: (bytes: Buffer, text: Buffer) => Buffer): Needles =>
    Object.fromEntries(numbers.map(([name, bytes, text]) => [`${name}, ${what}`, make(bytes, text).subarray(4, 20)]));
  return {
    big: part('big-endian', (bytes) => bytes),
    little: part('little-endian', (bytes) => Buffer.from(bytes).reverse()),
    text: part('base64url', (_, text) => text),
  };
}

const expectHeld = (held: Needles, gone: Needles): void => {
  const present = Object.keys(guest.find({ ...held, ...gone })).sort();
  expect(present).toEqual(Object.keys(held).sort());
};

describe('released keys in the memory of a guest', () => {
  it.each([
    ['P-256', { kty: 'EC-HSM', crv: 'P-256' }],
    ['P-521', { kty: 'EC-HSM', crv: 'P-521' }],
    ['RSA-2048', { kty: 'RSA-HSM' }],
    ['RSA-3072', { kty: 'RSA-HSM', keySize: 3072 }],
    ['RSA-4096', { kty: 'RSA-HSM', keySize: 4096 }],
  ] as const)(
    'a key of type %s is in memory while it is held, and nowhere once it is freed and collected',
    { timeout: 120_000 },
    async (keyName, options) => {
      const { keyObject } = cvm.keyVault.createKey(keyName, options);
      const { big, little, text } = numbersOf(keyObject);
      await guest.tell('release', { keyName });
      const transport = await transportKey();
      expectHeld(big, { ...transport, ...text });
      await guest.tell('export');
      expectHeld(big, { ...transport, ...text });
      await guest.tell('free');
      // In the KeyObject alone now: as numbers of this machine.
      expectHeld(little, { ...big, ...transport, ...text });
      await guest.tell('collect');
      expectHeld({}, { ...little, ...big, ...transport, ...text });
    },
  );

  it('a key that nobody freed is zeroed when it is collected', { timeout: 120_000 }, async () => {
    const { keyObject } = cvm.keyVault.createKey('forgotten', { kty: 'EC-HSM' });
    const { big, little, text } = numbersOf(keyObject);
    await guest.tell('forget', { keyName: 'forgotten' });
    expectHeld({}, { ...big, ...little, ...text, ...(await transportKey()) });
  });

  it('a key that was unwrapped and refused is nowhere', { timeout: 120_000 }, async () => {
    const { keyObject } = cvm.keyVault.createKey('refused', { kty: 'EC-HSM' });
    const { big, little, text } = numbersOf(keyObject);
    cvm.keyVault.fail('pkcs8-trailing-bytes');
    await guest.tell('refuse', { keyName: 'refused' });
    expectHeld({}, { ...big, ...little, ...text, ...(await transportKey()) });
  });

  it('a provisioned secret is in memory until it is freed', { timeout: 120_000 }, async () => {
    const secret = randomBytes(64);
    const needles: Needles = {
      'begin of the secret': secret.subarray(0, 16),
      'end of the secret': secret.subarray(48),
    };
    await guest.tell('unprotect', { token: cvm.protectSecret(secret) });
    expectHeld(needles, {});
    await guest.tell('freeSecret');
    expectHeld({}, needles);
  });
});
