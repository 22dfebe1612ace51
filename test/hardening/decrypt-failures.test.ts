import { constants, publicEncrypt, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { clientOf } from '../guest/client.js';
import { damaged, KnownSender, publicKeyOf, wrap } from './known-sender.js';

// Who sends changed ciphertexts must not find out why they fail: nothing that the caller sees differs, and the TPM gets the
// same commands, so that the time does not differ by what was wrong either (scripts/decrypt-failures.mjs measures it).

let cvm: SimulatedCvm;
let client: AttestationClient;
let cached: AttestationClient;
let sender: KnownSender;

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = clientOf(cvm);
  cached = clientOf(cvm, { keyCache: true });
  sender = new KnownSender(publicKeyOf(await client.attest({ attestationUrl: cvm.attestationUrl })));
  await client.decryptJwe(sender.jwe(randomBytes(1)).jwe);
});
afterAll(async () => {
  for (const each of [client, cached]) await each?.close();
  await cvm?.stop();
});

/** Wrapped keys that are wrong in every way that there is, and a genuine one for a wrong tag. */
function wrongBlocks(genuine: Buffer): Record<string, Buffer> {
  const { publicKey } = sender;
  const oaep = (oaepHash: string) =>
    publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, randomBytes(32));
  return {
    'wrong padding': Buffer.concat([Buffer.alloc(1), randomBytes(255)]),
    'wrong padding again': Buffer.concat([Buffer.alloc(1), randomBytes(255)]),
    'a number above the modulus': Buffer.alloc(256, 0xff),
    zero: Buffer.alloc(256),
    'another key': wrap(publicKey, randomBytes(32)),
    'a shorter key': wrap(publicKey, randomBytes(16)),
    'a longer key': wrap(publicKey, randomBytes(33)),
    'an empty key': wrap(publicKey, Buffer.alloc(0)),
    'another padding': wrap(publicKey, randomBytes(32), 'RSAES'),
    'another hash': oaep('sha1'),
    'the genuine key, and changed content': genuine,
  };
}

const part = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64url');
const inParts = (jwe: string, change: (block: Buffer) => Buffer): string => {
  const [header, block, iv, ciphertext, tag] = jwe.split('.');
  return [
    header,
    change(part(block)).toString('base64url'),
    iv,
    ciphertext,
    damaged(part(tag)).toString('base64url'),
  ].join('.');
};

/** Every way to give the library a wrapped key; each call has a damaged tag besides the block given. */
const openings: Record<string, (genuine: string, block: Buffer) => Promise<unknown>> = {
  'a compact JWE': (genuine, block) => client.decryptJwe(inParts(genuine, () => block)),
  'an envelope': (genuine, block) => {
    const [header, , iv, ciphertext, tag] = inParts(genuine, () => block).split('.');
    const members = { protected: header, encrypted_key: block.toString('base64url'), iv, tag };
    const encryptionMetadata = Buffer.from(Buffer.from(JSON.stringify(members)).toString('base64'));
    return client.decrypt(part(ciphertext), { encryptionMetadata });
  },
  'a large envelope': (genuine, block) => {
    const [header, , iv, , tag] = inParts(genuine, () => block).split('.');
    const members = { protected: header, encrypted_key: block.toString('base64url'), iv, tag };
    const encryptionMetadata = Buffer.from(Buffer.from(JSON.stringify(members)).toString('base64'));
    return client.decrypt(Buffer.alloc(1_200_000), { encryptionMetadata });
  },
  'with a key cache': (genuine, block) => cached.decryptJwe(inParts(genuine, () => block)),
};
const inputKeys: Record<string, [typ: string, open: (jwe: string) => Promise<unknown>]> = {
  'a session': ['cvm-session+jwe', (jwe) => client.createDecryptor(Buffer.from(jwe))],
  'a stream': [
    'cvm-stream+jwe',
    async (jwe) => {
      const header = Buffer.concat([Buffer.from('CVMSEAL\x01\0\0', 'latin1'), Buffer.from(jwe), randomBytes(56 + 16)]);
      header.writeUInt16BE(jwe.length, 8);
      for await (const _ of client.decryptChunks([header])) expect.unreachable('must not open');
    },
  ],
};
for (const [name, [, open]] of Object.entries(inputKeys)) {
  openings[name] = (genuine, block) => open(inParts(genuine, () => block));
}

describe.each(Object.keys(openings))('%s that does not open', (name) => {
  it('looks the same to the caller and to the TPM, whatever was wrong', async () => {
    const typ = inputKeys[name]?.[0];
    const genuine = sender.jwe(randomBytes(typ === undefined ? 1_000 : 32), typ).jwe;
    const outcomes = new Map<string, string[]>();
    for (const [kind, block] of Object.entries(wrongBlocks(part(genuine.split('.')[1])))) {
      const trace = cvm.trace();
      const error = await openings[name]?.(genuine, block).catch((reason: unknown) => reason);
      const commands = trace.stop().map((command) => command.name);
      const { stack: _, ...members } = Object.getOwnPropertyDescriptors(error as Error);
      const outcome = inspect({ name: (error as Error).name, members, commands });
      outcomes.set(outcome, [...(outcomes.get(outcome) ?? []), kind]);
    }
    expect([...outcomes.values()]).toHaveLength(1);
    const [outcome = ''] = outcomes.keys();
    expect(outcome).toContain('value: 26');
    expect(outcome.match(/'(PolicyPCR|RSA_Decrypt|ReadClock|ReadPublic|PolicyRestart)'/g)).toEqual([
      "'PolicyPCR'",
      "'RSA_Decrypt'",
      "'ReadClock'",
      "'ReadPublic'",
      "'PolicyRestart'",
    ]);
  });
});

it('one RSA block without content says that it was refused, in one way for every padding error', async () => {
  const failures = new Set<string>();
  for (const [kind, block] of Object.entries(wrongBlocks(Buffer.alloc(256, 1)))) {
    if (/key$/.test(kind)) continue; // well padded: it opens
    const error = await client.decrypt(block, { type: 'None' }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 26 });
    if (kind !== 'a number above the modulus') failures.add((error as Error).message);
  }
  expect([...failures]).toHaveLength(1);
});

it('a block that was refused when the key had gone from the TPM is tried again with the key made again', async () => {
  const TPM_RC_FAILURE = 0x101;
  const TPM_RC_HANDLE = 0x18b;
  cvm.tpm.injectFault({ command: 'RSA_Decrypt', action: { kind: 'error', responseCode: TPM_RC_FAILURE } });
  cvm.tpm.injectFault({ command: 'ReadPublic', action: { kind: 'error', responseCode: TPM_RC_HANDLE } });
  const trace = cvm.trace();
  const { jwe, plaintext } = sender.jwe(randomBytes(10));
  expect(await client.decryptJwe(jwe)).toEqual(plaintext);
  expect(trace.counts()).toMatchObject({ RSA_Decrypt: 2, CreatePrimary: 1 });
  trace.stop();
});
