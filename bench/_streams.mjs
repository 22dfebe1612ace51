// Streams fed with 1 MiB buffers: against libcrypto's own loop over 16 KiB chunks, and against a pipeline of node:crypto.
import { createCipheriv, randomBytes, randomFillSync } from 'node:crypto';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  createDecryptStream,
  createEncryptStream,
  decryptChunks,
  encryptChunks,
  STREAM_OUTPUT_BYTES,
} from '../build/modules/content/index.js';
import { gigabytes, softwareKey, verify } from './_key.mjs';
import { compare } from './measure.mjs';

const PIECE = 1024 * 1024;
const PIECES = 64;
const TOTAL = PIECE * PIECES;

export async function streamRows(EvpLoop) {
  const key = softwareKey();
  const loop = new EvpLoop(randomBytes(32));
  const chunk = Buffer.alloc(16 * 1024 + 16);
  const piece = randomFillSync(Buffer.alloc(PIECE));
  const source = () => Readable.from(pieces(piece, PIECES), { highWaterMark: 4 });
  const { sealed, inputKey } = await checkRound(key, piece, source);
  // Not the RSA operation, which is the TPM's in real life.
  const unwrapped = async () => Buffer.from(inputKey);
  const output = Buffer.alloc(STREAM_OUTPUT_BYTES);
  const half = { input: Buffer.alloc(16 * PIECE), output: Buffer.alloc(16 * PIECE) };
  const { timings, measure, ratio } = await compare(
    {
      evp: () => loop.chunks(piece, chunk, TOTAL),
      twoLoops: () => loop.halves(true, half.input, half.output),
      oneLoop: () => loop.seal(Buffer.alloc(12), Buffer.alloc(0), half.input, half.output),
      fresh: () => loop.freshChunks(piece, TOTAL, 1),
      freshTwice: () => loop.freshChunks(piece, TOTAL, 2),
      plain: () => drain(encryptChunks(key.token, pieces(piece, PIECES))),
      ownMemory: () => drain(encryptChunks(key.token, pieces(piece, PIECES), { output })),
      ours: () => pipeline(source(), createEncryptStream(key.token), sink()),
      opened: () => pipeline(Readable.from(sealed, { highWaterMark: 4 }), createDecryptStream(unwrapped), sink()),
      node: () => pipeline(source(), createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12)), sink()),
    },
    { rounds: 21, roundMs: 40 },
  );
  const two = `${ratio('twoLoops', 'oneLoop').toPrecision(3)} of one`;
  const speed = (name) => gigabytes(timings[name].median * TOTAL);
  return [
    {
      question: 'stream of 1 MiB buffers against a bare EVP loop over 16 KiB chunks into one buffer',
      ...measure('ours', 'evp'),
      atLeast: 1,
      details: `${speed('ours')} against ${speed('evp')}; two bare loops at once reach ${two}`,
    },
    {
      question: 'what memory costs: two bare loops that share new memory for each buffer, against that EVP loop',
      ...measure('freshTwice', 'evp'),
      details: `${speed('freshTwice')} against ${speed('evp')}; one such loop reaches ${ratio('fresh', 'evp').toPrecision(3)} of it`,
    },
    {
      question: 'the same as a generator, without the streams of Node, against that EVP loop',
      ...measure('plain', 'evp'),
      details: `${speed('plain')} against ${speed('evp')}; into the reader’s own memory ${ratio('ownMemory', 'evp').toPrecision(3)} of it`,
    },
    {
      question: 'stream of 1 MiB buffers against a pipeline through createCipheriv',
      ...measure('ours', 'node'),
      atLeast: 1.6,
      details: `${speed('ours')} against ${speed('node')}`,
    },
    {
      question: 'stream into the reader’s own memory against the plain one',
      ...measure('ownMemory', 'plain'),
      atLeast: 1.08,
      details: `${speed('ownMemory')} against ${speed('plain')}`,
    },
    {
      question: 'that stream decrypted from 1 MiB buffers, against the same EVP loop',
      ...measure('opened', 'evp'),
      details: `${speed('opened')} against ${speed('evp')}`,
    },
  ];
}

function* pieces(piece, count) {
  for (let i = 0; i < count; i++) yield piece;
}

async function drain(stream) {
  for await (const _piece of stream);
}

const sink = (take = () => {}) =>
  new Writable({
    write(part, _encoding, done) {
      take(part);
      done();
    },
  });

async function checkRound(key, piece, source) {
  const parts = [];
  await pipeline(
    source(),
    createEncryptStream(key.token),
    sink((part) => parts.push(part)),
  );
  const whole = Buffer.concat(parts);
  const sealed = [];
  for (let at = 0; at < whole.length; at += PIECE) sealed.push(whole.subarray(at, at + PIECE));
  let inputKey;
  const unwrap = async (block) => {
    inputKey = await key.unwrap(block);
    return Buffer.from(inputKey);
  };
  let size = 0;
  for await (const plain of decryptChunks(sealed, unwrap)) {
    for (let at = 0; at < plain.length; ) {
      const from = (size + at) % PIECE;
      const count = Math.min(plain.length - at, PIECE - from);
      verify(plain.subarray(at, at + count).equals(piece.subarray(from, from + count)), 'the stream opens');
      at += count;
    }
    size += plain.length;
  }
  verify(size === TOTAL, 'the stream is whole');
  return { sealed, inputKey };
}
