// Small messages: sessions against createCipheriv for each message, and a JWE against jose.
import { createCipheriv, createDecipheriv, randomFillSync } from 'node:crypto';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { createDecryptor, createEncryptor, decryptJwe, KeyCache } from '../build/modules/content/index.js';
import { softwareKey, verify } from './_key.mjs';
import { compare } from './measure.mjs';

/** The same message with node:crypto alone: a counter nonce, ciphertext and tag in one new Buffer. */
class NodeSession {
  #key = randomFillSync(Buffer.alloc(32));
  #nonce = Buffer.alloc(12);
  #counter = 0;

  encrypt(message) {
    this.#nonce.writeUIntBE(this.#counter++, 6, 6);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce);
    const ciphertext = cipher.update(message);
    cipher.final();
    return Buffer.concat([this.#nonce.subarray(4), ciphertext, cipher.getAuthTag()]);
  }

  decrypt(sealed) {
    const nonce = Buffer.alloc(12);
    sealed.copy(nonce, 4, 0, 8);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce).setAuthTag(sealed.subarray(-16));
    const plain = decipher.update(sealed.subarray(8, -16));
    decipher.final();
    return plain;
  }
}

const rate = (timings, name, messages = 1) => `${Math.round(timings[name].median * messages).toLocaleString('en')}/s`;

export async function messageRows(EvpLoop) {
  const key = softwareKey();
  const node = new NodeSession();
  const encryptor = createEncryptor(key.token);
  const decryptor = await createDecryptor(encryptor.metadata, key.unwrap);
  try {
    return [
      ...(await oneByOne(node, encryptor, decryptor)),
      await packed(EvpLoop, node, encryptor, decryptor),
      await jwe(key),
    ];
  } finally {
    encryptor.close();
    decryptor.close();
  }
}

async function oneByOne(node, encryptor, decryptor) {
  const message = randomFillSync(Buffer.alloc(1024));
  const out = Buffer.alloc(1024 + encryptor.overhead);
  const sealed = encryptor.encrypt(message);
  verify(decryptor.decrypt(sealed).equals(message), 'the session opens');
  verify(node.decrypt(node.encrypt(message)).equals(message), 'the node:crypto session opens');
  encryptor.encryptInto(message, out);
  verify(decryptor.decrypt(out).equals(message), 'encryptInto opens');
  const { timings, measure } = await compare({
    node: () => node.encrypt(message),
    encrypt: () => encryptor.encrypt(message),
    encryptInto: () => encryptor.encryptInto(message, out),
    decrypt: () => decryptor.decrypt(sealed),
  });
  const row = (question, name, target) => ({
    question,
    ...measure(name, 'node'),
    ...(target !== undefined && { atLeast: target }),
    details: `${rate(timings, name)} against ${rate(timings, 'node')}`,
  });
  return [
    row('1 KiB messages of a session, encrypt, against createCipheriv', 'encrypt', 5.5),
    row('the same, encryptInto', 'encryptInto', 9),
    row('the same, decrypt, against createCipheriv encrypting', 'decrypt'),
  ];
}

async function packed(EvpLoop, node, encryptor, decryptor) {
  const COUNT = 16_384;
  const messages = randomFillSync(Buffer.alloc(64 * COUNT));
  const lengths = new Uint32Array(COUNT).fill(64);
  const sealed = await encryptor.encryptPacked(messages, lengths);
  verify((await decryptor.decryptPacked(sealed.packed, sealed.lengths)).packed.equals(messages), 'the packed opens');
  verify(decryptor.decrypt(sealed.at(777)).equals(messages.subarray(777 * 64, 778 * 64)), 'so does one message of it');
  const one = messages.subarray(0, 64);
  const loop = new EvpLoop(randomFillSync(Buffer.alloc(32)));
  const half = { input: Buffer.alloc(8 << 20), output: Buffer.alloc(8 << 20) };
  const {
    timings,
    measure,
    ratio: of,
  } = await compare({
    node: () => node.encrypt(one),
    packed: () => encryptor.encryptPacked(messages, lengths),
    evp: () => loop.seal(Buffer.alloc(12), Buffer.alloc(0), half.input, half.output),
    evpTwice: () => loop.halves(true, half.input, half.output),
  });
  const two = `two bare loops at once reach ${of('evpTwice', 'evp').toPrecision(3)} of one`;
  const { ratio, interval, quiet } = measure('packed', 'node');
  return {
    question: '64 B messages through encryptPacked, both cores, against createCipheriv',
    ratio: ratio * COUNT,
    interval: interval.map((end) => end * COUNT),
    quiet,
    atLeast: 25,
    details: `${rate(timings, 'packed', COUNT)} against ${rate(timings, 'node')}, ${COUNT} messages a call; ${two}`,
  };
}

async function jwe(key) {
  const message = randomFillSync(Buffer.alloc(1024));
  const compact = await new CompactEncrypt(message)
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })
    .encrypt(key.publicKey);
  const options = { keyCache: new KeyCache() };
  verify((await decryptJwe(compact, key.unwrap, options)).equals(message), 'the JWE of jose opens');
  const { timings, measure } = await compare({
    jose: () => compactDecrypt(compact, key.privateKey),
    ours: () => decryptJwe(compact, key.unwrap, options),
  });
  return {
    question: 'compact JWE of 1 KiB with a cached key against jose with a key in software',
    ...measure('ours', 'jose'),
    atLeast: 5,
    details: `${rate(timings, 'ours')} against ${rate(timings, 'jose')}`,
  };
}
