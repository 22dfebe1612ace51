// One message of 64 MiB: against libcrypto's own loop, on one core and on all, and against node:crypto.
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto';
import { decryptEnvelope, encryptEnvelope, KeyCache } from '../build/modules/content/index.js';
import { gigabytes, softwareKey, verify } from './_key.mjs';
import { nativeModule } from './_native.mjs';
import { compare } from './measure.mjs';

const SIZE = 64 * 1024 * 1024;
/** One call a round: the two cores of a shared host change their speeds, each for itself, within a tenth of a second. */
const SHORT_ROUNDS = { rounds: 61, roundMs: 1 };

export async function bulkRows(EvpLoop) {
  const key = softwareKey();
  const data = randomFillSync(Buffer.alloc(SIZE));
  const output = Buffer.alloc(SIZE, 1);
  const sealed = await encryptEnvelope(key.token, data);
  const message = await parts(key, sealed);
  verify(openWithNode(message).equals(data), 'node:crypto opens the envelope');
  const { pinned, free } = await againstBareLoop(EvpLoop, key, data, output, sealed, message);
  const fresh = await againstNode(EvpLoop, key, data, output);

  const row = ({ timings, measure, ratio }, question, of, to, target) => {
    const speeds = `${gigabytes(timings[of].median * SIZE)} against ${gigabytes(timings[to].median * SIZE)}`;
    const two = () => `two bare loops at once reach ${ratio('evpTwice', 'evp').toPrecision(3)} of one`;
    return {
      question,
      ...measure(of, to),
      ...(target !== undefined && { atLeast: target }),
      details: question.includes('both cores') ? `${speeds}; ${two()}` : speeds,
    };
  };
  return [
    row(pinned, '64 MiB encrypted into memory of the caller, one thread, against a bare EVP loop', 'one', 'evp', 0.96),
    row(pinned, '64 MiB decrypted, the same', 'oneOpen', 'evpOpen', 0.96),
    row(free, '64 MiB encrypted, both cores against one', 'both', 'one'),
    row(free, '64 MiB decrypted, both cores against one', 'bothOpen', 'oneOpen'),
    row(free, 'what the machine gives: two bare EVP loops at once against one', 'evpTwice', 'evp'),
    row(free, '64 MiB encrypted, both cores against two bare EVP loops at once', 'both', 'evpTwice', 0.97),
    row(free, '64 MiB decrypted, both cores against two bare EVP loops at once', 'bothOpen', 'evpOpenTwice', 0.97),
    row(fresh, '64 MiB encrypted into a new Buffer, both cores, against createCipheriv', 'fresh', 'node', 3),
    row(fresh, '64 MiB encrypted into memory of the caller, both cores, against createCipheriv', 'both', 'node', 7),
  ];
}

/** All of them from the same memory into the same memory: how the host backs it makes a difference of some per cent. */
async function againstBareLoop(EvpLoop, key, data, output, { encryptedData, encryptionMetadata }, message) {
  const loop = new EvpLoop(message.key);
  const iv = randomBytes(12);
  // With a cache the private RSA operation, which is the TPM's on a guest, is not part of what is measured.
  const keyCache = new KeyCache();
  const seal = (threads) => encryptEnvelope(key.token, data, { output, threads });
  const open = (threads) =>
    decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap, { output, keyCache, threads });

  verify((await open(2)).equals(data), 'the envelope opens on two threads');
  output.fill(0);
  verify((await open(1)).equals(data), 'the envelope opens on one thread');
  output.fill(0);
  loop.open(message.iv, message.aad, message.tag, encryptedData, output);
  verify(output.equals(data), 'the bare loop opens the envelope');
  const tag = loop.seal(iv, message.aad, data, output);
  verify(openWithNode({ ...message, iv, tag, ciphertext: output }).equals(data), 'node:crypto opens the bare loop');

  const alone = {
    evp: () => loop.seal(iv, message.aad, data, output),
    one: () => seal(1),
    evpOpen: () => loop.open(message.iv, message.aad, message.tag, encryptedData, output),
    oneOpen: () => open(1),
  };
  const onBoth = {
    both: () => seal(undefined),
    evpTwice: () => loop.halves(true, data, output),
    bothOpen: () => open(undefined),
    evpOpenTwice: () => loop.halves(false, encryptedData, output),
  };
  const { pin } = nativeModule('affinity');
  return {
    // What one thread does is on the same core, whichever thread that is. Apart from what takes both: threads that were on
    // one core a moment ago begin there.
    pinned: await compare(alone, { ...SHORT_ROUNDS, pin, cores: { evp: 1, one: 1, evpOpen: 1, oneOpen: 1 } }),
    free: await compare({ ...alone, ...onBoth }, SHORT_ROUNDS),
  };
}

/** Apart from the others and in long rounds: what one leaves to the garbage collector is unmapped while the next one runs. */
async function againstNode(EvpLoop, key, data, output) {
  const nodeKey = randomBytes(32);
  const iv = randomBytes(12);
  const loop = new EvpLoop(nodeKey);
  let last;
  const seal = () => {
    const cipher = createCipheriv('aes-256-gcm', nodeKey, iv);
    const ciphertext = cipher.update(data);
    cipher.final();
    last = { ciphertext, tag: cipher.getAuthTag() };
  };
  const timings = await compare(
    {
      both: () => encryptEnvelope(key.token, data, { output }),
      fresh: () => encryptEnvelope(key.token, data),
      node: seal,
      evp: () => loop.seal(iv, Buffer.alloc(0), data, output),
      evpTwice: () => loop.halves(true, data, output),
    },
    { rounds: 9, roundMs: 400 },
  );
  const plain = openWithNode({ key: nodeKey, iv, aad: Buffer.alloc(0), ...last });
  verify(plain.equals(data), 'node:crypto did its work');
  return timings;
}

/** The content key and what AES-GCM takes, out of an envelope. */
async function parts(key, { encryptedData, encryptionMetadata }) {
  const members = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString());
  return {
    key: await key.unwrap(Buffer.from(members.encrypted_key, 'base64url')),
    iv: Buffer.from(members.iv, 'base64url'),
    aad: Buffer.from(members.protected),
    tag: Buffer.from(members.tag, 'base64url'),
    ciphertext: encryptedData,
  };
}

function openWithNode({ key, iv, aad, tag, ciphertext }) {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(tag);
  const plain = decipher.update(ciphertext);
  decipher.final();
  return plain;
}
