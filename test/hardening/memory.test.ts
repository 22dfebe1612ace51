import { constants, createDecipheriv, privateDecrypt, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { attestationPaths, SimulatedCvm } from '../../lib/simulator/index.js';
import { softwareKey } from '../content/software-key.js';
import { keyForms } from './aes-key-forms.js';
import { damaged, envelopeMetadata, KnownSender, publicKeyOf, sessionMaterial, wrap } from './known-sender.js';
import type { Needles } from './process-memory.js';
import { ScannedGuest } from './scanned-guest.js';

// A guest in a process of its own, whose whole memory is looked through from outside after each thing that it does: what it
// still uses must be found (a search that finds nothing proves nothing), what it is done with must not. In the end it frees
// and closes everything, and nothing at all may be found.

const MEBIBYTE = 1 << 20;

let cvm: SimulatedCvm;
/** Another client of the same machine: it unwraps what the guest has wrapped. */
let reader: AttestationClient;
let token: string;
let sender: KnownSender;
let guest: ScannedGuest;
const everything: Record<string, Buffer> = {};

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  reader = cvm.client();
  token = await reader.attest({ attestationUrl: cvm.attestationUrl });
  sender = new KnownSender(publicKeyOf(token));
  guest = ScannedGuest.start();
  await guest.tell('start', wiring());
});
afterAll(async () => {
  guest?.stop();
  await reader?.close();
  await cvm?.stop();
});

const wiring = () => {
  const { tcti, imdsUrl, eventLogPath, osReleasePath } = cvm;
  return { tcti, imdsUrl, eventLogPath, osReleasePath };
};

/** Sixteen bytes from the beginning, the middle and the end. */
const parts = (name: string, plaintext: Buffer): Needles =>
  Object.fromEntries(
    [0, plaintext.length >> 1, plaintext.length - 16].map((at) => [
      `${name}, at ${at}`,
      plaintext.subarray(at, at + 16),
    ]),
  );

/** Something that the guest does: what it holds afterwards, and what it must be rid of. */
function step(name: string, work: () => Promise<{ held?: Needles; gone?: Needles }>): void {
  it(name, { timeout: 60_000 }, async () => {
    const { held = {}, gone = {} } = await work();
    Object.assign(everything, held, gone);
    const present = Object.keys(guest.find({ ...held, ...gone }));
    expect(present.sort()).toEqual(Object.keys(held).sort());
  });
}

/** Content key and plaintext of a JWE that the guest made. */
async function opened(jwe: string): Promise<{ key: Buffer; plaintext: Buffer }> {
  const [header = '', ...rest] = jwe.split('.');
  const [block, iv, ciphertext, tag] = rest.map((part) => Buffer.from(part, 'base64url'));
  const key = await reader.decrypt(block as Buffer, { type: 'None' });
  const decipher = createDecipheriv('aes-256-gcm', key, iv as Buffer).setAAD(Buffer.from(header));
  decipher.setAuthTag(tag as Buffer);
  return { key, plaintext: Buffer.concat([decipher.update(ciphertext as Buffer), decipher.final()]) };
}

/** The keys of a session or stream: what is derived stays, what it is derived from does not. */
const derivation = (what: string, keys: { contentKey: Buffer; inputKey: Buffer }): Needles => ({
  ...keyForms(`content key of ${what}`, keys.contentKey),
  ...keyForms(`input key of ${what}`, keys.inputKey),
});

/** libcrypto's kernel for AVX-512 (VAES on 512 bits) keeps the hash key in one form, the others in two. */
const wideKernel = ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl', 'vaes', 'vpclmulqdq'].every((feature) =>
  new RegExp(`^flags\\b.*\\b${feature}\\b`, 'm').test(readFileSync('/proc/cpuinfo', 'utf8')),
);

/** Keyed cipher contexts are held: the key, its round keys and its hash key, but not in the byte order of the standard. */
const context = (what: string, key: Buffer): Needles => {
  const { [`${what}, H`]: _, [`${what}, H as numbers`]: numbers, ...forms } = keyForms(what, key);
  return wideKernel || numbers === undefined ? forms : { ...forms, [`${what}, H as numbers`]: numbers };
};

step('opens a JWE', async () => {
  const { jwe, contentKey, plaintext } = sender.jwe(randomBytes(64));
  await guest.tell('decryptJwe', { jwe });
  return { held: parts('plaintext of a JWE', plaintext), gone: keyForms('content key of a JWE', contentKey) };
});

step('opens a JWE over a protected TPM session', async () => {
  const { jwe, contentKey, plaintext } = sender.jwe(randomBytes(64));
  await guest.tell('decryptProtected', { jwe });
  return {
    held: parts('protected plaintext', plaintext),
    gone: keyForms('content key on a protected way', contentKey),
  };
});

step('opens a JWE and keeps its key in the cache', async () => {
  const { jwe, contentKey, plaintext } = sender.jwe(randomBytes(64));
  await guest.tell('decryptJweWithCache', { jwe });
  const kept = parts('key in the cache', contentKey);
  return { held: { ...kept, ...parts('plaintext under a cached key', plaintext) } };
});

for (const scheme of ['RSA-OAEP', 'RSAES'] as const) {
  step(`opens one RSA block, ${scheme}`, async () => {
    const plaintext = randomBytes(48);
    await guest.tell('decryptBlock', { block: wrap(sender.publicKey, plaintext, scheme), scheme });
    return { held: parts(`plaintext of a block, ${scheme}`, plaintext) };
  });
}

for (const size of [1_000, 200_000, 3 * MEBIBYTE + 5]) {
  step(`opens an envelope of ${size} bytes`, async () => {
    const { encryptedData: data, encryptionMetadata: metadata, ...known } = sender.envelope(randomBytes(size));
    await guest.tell('decryptEnvelope', { data, metadata });
    return {
      held: parts(`plaintext of ${size} bytes`, known.plaintext),
      gone: keyForms(`content key of ${size} bytes`, known.contentKey),
    };
  });
}

step('opens a session and reads messages in every way', async () => {
  const session = sender.session();
  const messages = [100, 1_500_000, 200, 300].map((size) => randomBytes(size));
  const [one, large, ...many] = messages.map((message) => session.seal(message));
  await guest.tell('decryptSession', { metadata: session.metadata, one, large, many });
  const plaintexts = messages.map((message, i) => parts(`message ${i} of a session`, message));
  return {
    held: Object.assign(context('key of a session', session.key), ...plaintexts),
    gone: derivation('a session', session),
  };
});

step('reads the first half of a stream', async () => {
  const stream = sender.stream(randomBytes(40_000));
  await guest.tell('decryptStreamInPart', { sealed: stream.sealed, upTo: 30_000 });
  return {
    held: {
      ...parts('key of a stream', stream.key),
      ...parts('first chunk of a stream', stream.plaintext.subarray(0, 16_384)),
    },
    gone: { ...derivation('a stream', stream), ...parts('rest of a stream', stream.plaintext.subarray(16_384)) },
  };
});

step('reads a whole stream', async () => {
  const stream = sender.stream(randomBytes(50_000));
  await guest.tell('decryptStream', { sealed: stream.sealed });
  return {
    held: parts('plaintext of a stream', stream.plaintext),
    gone: {
      ...keyForms('key of a stream that has ended', stream.key),
      ...derivation('a stream that has ended', stream),
    },
  };
});

step('destroys a stream with plaintext in its queue', async () => {
  const stream = sender.stream(randomBytes(50_000));
  await guest.tell('destroyStream', { sealed: stream.sealed });
  const plaintext = parts('plaintext of a destroyed stream', stream.plaintext);
  return { gone: { ...plaintext, ...keyForms('key of a destroyed stream', stream.key) } };
});

step('reads a range of a sealed file', async () => {
  const file = sender.stream(randomBytes(50_000));
  await guest.tell('openFile', { sealed: file.sealed });
  return {
    held: { ...parts('key of a file', file.key), ...parts('range of a file', file.plaintext.subarray(10, 20_000)) },
    gone: { ...parts('last chunk of a file', file.plaintext.subarray(49_152)), ...derivation('a file', file) },
  };
});

for (const size of [1_000, 3 * MEBIBYTE]) {
  step(`encrypts ${size} bytes, and zeroes them`, async () => {
    const made = await guest.tell<{ data: Buffer; metadata: Buffer; jwe: string }>('encryptOnce', { token, size });
    const members = JSON.parse(Buffer.from(made.metadata.toString(), 'base64').toString()) as Record<string, string>;
    const { protected: header, encrypted_key: wrapped, iv, tag } = members;
    const envelope = await opened([header, wrapped, iv, made.data.toString('base64url'), tag].join('.'));
    const compact = await opened(made.jwe);
    expect(envelope.plaintext.equals(compact.plaintext)).toBe(true);
    return {
      gone: {
        ...parts(`own plaintext of ${size} bytes`, compact.plaintext),
        ...keyForms(`own content key of ${size} bytes`, envelope.key),
        ...keyForms(`own content key of a JWE of ${size} bytes`, compact.key),
      },
    };
  });
}

step('wraps a content key: not even the block before the RSA operation is left, which a mask alone hides', async () => {
  const { token: other, privateKey } = softwareKey();
  const sessions = await guest.tell<Buffer[]>('wrapOften', { token: other, times: 40 });
  const encodings = sessions.map((metadata, i) => {
    const block = Buffer.from(metadata.toString().split('.')[1] ?? '', 'base64url');
    const encoded = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, block);
    return parts(`OAEP encoding ${i}`, encoded.subarray(1));
  });
  return { gone: Object.assign({}, ...encodings) };
});

step('starts a session', async () => {
  const { metadata } = await guest.tell<{ metadata: Buffer }>('encryptSession', { token });
  const { key, plaintext } = await opened(metadata.toString());
  return {
    held: context('key of an own session', sessionMaterial(plaintext, metadata).subarray(0, 32)),
    gone: derivation('an own session', { contentKey: key, inputKey: plaintext }),
  };
});

step('starts a stream', async () => {
  const { header } = await guest.tell<{ header: Buffer }>('encryptStreamInPart', { token });
  const { key, plaintext } = await opened(header.subarray(10, -56).toString());
  return { gone: derivation('an own stream', { contentKey: key, inputKey: plaintext }) };
});

step('attests: the inner key of the token', async () => {
  let answered = '';
  cvm.attestation.respond(attestationPaths.guest, {
    kind: 'modify',
    modify: (answer) => {
      answered = answer.body.toString();
      return answer;
    },
  });
  await guest.tell('attest', { url: cvm.attestationUrl });
  const { token: envelope } = JSON.parse(answered) as { token: string };
  const { EncryptedInnerKey: block = '' } = JSON.parse(Buffer.from(envelope, 'base64url').toString());
  const inner = await reader.decrypt(Buffer.from(block, 'base64'), { type: 'None', scheme: 'RSAES' });
  return { gone: keyForms('inner key of a token', inner) };
});

// Each has a genuine key and a genuine plaintext behind a wrong tag.
step('refuses a JWE', async () => {
  const { jwe, contentKey, plaintext } = sender.jwe(randomBytes(1_000));
  const [tag = '', ...rest] = jwe.split('.').reverse();
  const changed = damaged(Buffer.from(tag, 'base64url')).toString('base64url');
  await guest.tell('fail', { jwe: [...rest.reverse(), changed].join('.') });
  return {
    gone: { ...parts('refused plaintext', plaintext), ...keyForms('content key of a refused JWE', contentKey) },
  };
});

step('refuses a large envelope', async () => {
  const { encryptedData, encryptionMetadata, ...known } = sender.envelope(randomBytes(3 * MEBIBYTE));
  await guest.tell('fail', { data: damaged(encryptedData), metadata: encryptionMetadata });
  const plaintext = parts('refused large plaintext', known.plaintext);
  return { gone: { ...plaintext, ...keyForms('content key of a refused envelope', known.contentKey) } };
});

step('refuses a message of a session in every way', async () => {
  const session = sender.session();
  const message = randomBytes(1_500_000);
  await guest.tell('fail', { session: session.metadata, message: damaged(session.seal(message)) });
  return { gone: { ...parts('refused message', message), ...keyForms('key of a closed session', session.key) } };
});

step('refuses the end of a stream', async () => {
  const stream = sender.stream(randomBytes(100_000));
  await guest.tell('fail', { sealed: damaged(stream.sealed) });
  return { gone: { ...parts('refused stream', stream.plaintext), ...keyForms('key of a refused stream', stream.key) } };
});

step('refuses a wrapped key of another length', async () => {
  const key = randomBytes(24);
  const metadata = envelopeMetadata(wrap(sender.publicKey, key), randomBytes(12), randomBytes(16));
  await guest.tell('fail', { data: randomBytes(100), metadata });
  return { gone: parts('content key of another length', key) };
});

step('gives calls up that the TPM is at work for', async () => {
  const plaintext = randomBytes(48);
  const { jwe, contentKey } = sender.jwe(randomBytes(64));
  cvm.tpm.injectFault({ command: 'RSA_Decrypt', times: 2, action: { kind: 'delay', ms: 300 } });
  await guest.tell('abort', { jwe, block: wrap(sender.publicKey, plaintext) });
  return {
    gone: {
      ...parts('plaintext that nobody waits for', plaintext),
      ...keyForms('key that nobody waits for', contentKey),
    },
  };
});

step('closes a client that the TPM is at work for', async () => {
  const { jwe, contentKey, plaintext } = sender.jwe(randomBytes(64));
  cvm.tpm.injectFault({ command: 'RSA_Decrypt', action: { kind: 'delay', ms: 300 } });
  await guest.tell('closeMeanwhile', { jwe, wiring: wiring() });
  return {
    gone: { ...parts('plaintext of a closed client', plaintext), ...keyForms('key of a closed client', contentKey) },
  };
});

step('terminates a worker that has a session open', async () => {
  const session = sender.session();
  await guest.tell('terminateWorker', { wiring: wiring(), metadata: session.metadata });
  return { gone: keyForms('key of a terminated worker', session.key) };
});

step('forgets to close a session, which is garbage then', async () => {
  const session = sender.session();
  await guest.tell('forget', { metadata: session.metadata, message: session.seal(randomBytes(100)) });
  return { gone: keyForms('key of a forgotten session', session.key) };
});

it('frees and closes everything: no key and no plaintext is anywhere in its memory', { timeout: 60_000 }, async () => {
  await guest.tell('release');
  expect(Object.keys(everything).length).toBeGreaterThan(250);
  expect(guest.find(everything)).toEqual({});
});
