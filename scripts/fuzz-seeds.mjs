// Seed corpora of the fuzz targets: genuine signatures, wrapped keys and messages, so that fuzzing starts behind the first
// checks.
//
//   node scripts/fuzz-seeds.mjs FOLDER      writes FOLDER/TARGET/NAME
import { constants, createCipheriv, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: node scripts/fuzz-seeds.mjs FOLDER');

const counts = {};
for (const curve of ['P-256', 'P-384', 'P-521']) ecSeed(curve);
rsaSeeds();
for (const size of [1, 8, 32, 1219]) unwrapSeed(size);
for (const size of [0, 1, 16_384, 16_385, 40_000]) chunkedSeed(size);
for (const size of [0, 1, 64, 4_096]) write('session_message', `${size}.bin`, filled(size));
for (const ordered of [0, 1]) for (const window of [0, 1, 2, 3]) sessionSeed(ordered, window);
console.log(
  Object.entries(counts)
    .map(([target, count]) => `${target} ${count}`)
    .join(', '),
);

/** Piece length, changed byte, content: what the target reads. */
function chunkedSeed(size) {
  write('chunked_stream', `${size}.bin`, Buffer.concat([Buffer.from([0xff, 0x3f, 0x20, 0]), filled(size)]));
}

/** Whether it is ordered, its window, its limit; then ten messages sealed one by one and delivered in another order. */
function sessionSeed(ordered, window) {
  const sealed = Array.from({ length: 10 }, (_, i) => [0, 0, 20 + i, i]).flat();
  const delivered = [0, 1, 3, 2, 2, 9, 4].flatMap((i) => [3, i]);
  const head = ordered ? [1, 200] : [0, window, 200];
  write(
    'session_order',
    `${ordered}-${window}.bin`,
    Buffer.from([...head, ...sealed, ...delivered, 4, 2, 5, 6, 7, 5, 1, 0]),
  );
}

function filled(size) {
  return Buffer.alloc(size, createHash('sha256').update(String(size)).digest());
}

function bytesOf(text) {
  return Buffer.from(text, 'base64url');
}

/** Curve, hash, salt; x, y, r, s, message: as cpp/test/fuzz/public_key.cc reads it. */
function ecSeed(namedCurve) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve });
  const { x, y } = publicKey.export({ format: 'jwk' });
  const message = filled(100);
  const curve = ['P-256', 'P-384', 'P-521'].indexOf(namedCurve);
  ['sha256', 'sha384', 'sha512'].forEach((hash, i) => {
    const signature = sign(hash, message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    write(
      'public_key',
      `${namedCurve}-${hash}.bin`,
      Buffer.concat([Buffer.from([curve, i, 0]), bytesOf(x), bytesOf(y), signature, message]),
    );
  });
}

function rsaSeeds() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n, e } = publicKey.export({ format: 'jwk' });
  const message = filled(100);
  ['sha256', 'sha384', 'sha512'].forEach((hash, i) => {
    const signatures = {
      pkcs1: sign(hash, message, privateKey),
      pss: sign(hash, message, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
    };
    for (const [name, signature] of Object.entries(signatures)) {
      const seed = Buffer.concat([Buffer.from([3, i, 32]), bytesOf(n), bytesOf(e), signature, message]);
      write('public_key', `${name}-${hash}.bin`, seed);
    }
  });
}

/** A key and what was wrapped with it. */
function unwrapSeed(size) {
  const key = filled(32);
  const cipher = createCipheriv('id-aes256-wrap-pad', key, Buffer.from('a65959a6', 'hex'));
  write('key_unwrap', `${size}.bin`, Buffer.concat([key, cipher.update(filled(size)), cipher.final()]));
}

function write(target, name, bytes) {
  mkdirSync(join(folder, target), { recursive: true });
  writeFileSync(join(folder, target, name), bytes);
  counts[target] = (counts[target] ?? 0) + 1;
}
