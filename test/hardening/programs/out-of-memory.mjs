// Has large things to encrypt and to decrypt, then has its address space limited to little more than it uses (RLIMIT_AS), and
// tells how each call ends.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { AttestationClient, createEncryptor, createEncryptStream, encrypt, encryptJwe } from '../../../dist/index.js';

const MEBIBYTE = 1 << 20;
/** What is left for threads, small allocations and the JavaScript heap. */
const LEFT = 96 * MEBIBYTE;
const LARGE = 128 * MEBIBYTE;

const [{ wiring, token }] = await once(process, 'message');
const client = new AttestationClient(wiring);
const large = Buffer.alloc(LARGE);
const lengths = new Uint32Array(LARGE / 4).fill(4);
// Their list is what does not fit, natively: 16 bytes each.
const empty = new Uint32Array(LARGE / 16);
const output = Buffer.alloc(empty.length * 24);
const encryptor = createEncryptor(token);
const decryptor = await client.createDecryptor(encryptor.metadata);
const small = encryptor.encrypt(Buffer.from('small'));
const { encryptionMetadata } = await encrypt(token, Buffer.from('small'));
const [header, key, iv, , tag] = (await encryptJwe(token, Buffer.from('small'))).split('.');
const jwe = [header, key, iv, 'A'.repeat((LARGE / 3) * 4), tag].join('.');
const file = await sealedFile();

const calls = {
  encrypt: () => encrypt(token, large),
  'encryptJwe, its ciphertext': () => encryptJwe(token, large),
  'encryptJwe, its text': () => encryptJwe(token, large.subarray(0, 80 * MEBIBYTE)),
  'Encryptor.encrypt': () => encryptor.encrypt(large),
  'Encryptor.encryptAsync': () => encryptor.encryptAsync(large),
  'Encryptor.encryptMany': () => encryptor.encryptMany([large]),
  'Encryptor.encryptPacked': () => encryptor.encryptPacked(large, [large.length]),
  'Encryptor.encryptPacked, many lengths': () => encryptor.encryptPacked(large, lengths),
  'Encryptor.encryptPacked, many messages': () => encryptor.encryptPacked(new Uint8Array(0), empty, { output }),
  'Decryptor.decryptPacked, many lengths': () => decryptor.decryptPacked(large, lengths.fill(24)),
  'Encryptor.finish': () => createEncryptor(token, { ordered: true }).finish(large),
  'client.decrypt': () => client.decrypt(large, { encryptionMetadata }),
  'client.decryptJwe': () => client.decryptJwe(jwe),
  'Decryptor.decrypt': () => decryptor.decrypt(large),
  'Decryptor.decryptAsync': () => decryptor.decryptAsync(large),
  'Decryptor.decryptMany': () => decryptor.decryptMany([large]),
  'Decryptor.decryptPacked': () => decryptor.decryptPacked(large, [large.length]),
  'SealedFile.readRange': () => file.readRange(0),
};

const outcomes = {};
// What was used on the way here would do for a result.
for (let i = 0; i < 2; i++) {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 50));
}
limit(`${addressSpace() + LEFT}`);
for (const [name, call] of Object.entries(calls)) {
  try {
    await call();
    outcomes[name] = 'it fitted';
  } catch ({ name: kind, code, message }) {
    outcomes[name] = `${kind} ${code}: ${message}`;
  }
}
limit('unlimited');
const after = decryptor.decrypt(small).toString();
await client.close();
process.send({ outcomes, after });
process.disconnect();

function limit(bytes) {
  execFileSync('prlimit', [`--pid=${process.pid}`, `--as=${bytes}:`]);
}

function addressSpace() {
  return Number(/VmSize:\s*(\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1]) * 1024;
}

/** A sealed stream of `LARGE` bytes, as far as its size goes: its beginning and its last chunk are those of a short one. */
async function sealedFile() {
  const pieces = [];
  const stream = createEncryptStream(token);
  stream.end(Buffer.alloc(LARGE));
  for await (const piece of stream) pieces.push(piece);
  const sealed = Buffer.concat(pieces);
  pieces.length = 0;
  return client.openRandomAccess({
    read: async (buffer, offset, length, position) => ({
      bytesRead: sealed.copy(buffer, offset, position, position + length),
    }),
    stat: async () => ({ size: sealed.length }),
  });
}
