// Run as a program: streams 8 GiB through encryption and decryption and prints how far the resident memory rose above
// what it was before, in MiB, by the kernel's own high-water mark.
import { readFileSync, writeFileSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createDecryptStream, createEncryptStream } from '../build/modules/content/index.js';
import { softwareKey } from './_key.mjs';

const PIECE = 1024 * 1024;
const total = Number(process.argv[2] ?? 8 * 1024) * PIECE;
const status = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'))[1]);

const key = softwareKey();
const piece = Buffer.alloc(PIECE, 1);
function* pieces(bytes) {
  for (let at = 0; at < bytes; at += PIECE) yield piece;
}
async function stream(bytes) {
  let received = 0;
  const sink = new Writable({
    write(part, _encoding, done) {
      received += part.length;
      done();
    },
  });
  await pipeline(Readable.from(pieces(bytes)), createEncryptStream(key.token), createDecryptStream(key.unwrap), sink);
  if (received !== bytes) throw new Error(`${received} bytes came out of ${bytes}`);
}

// Idle: everything loaded and compiled, nothing in progress.
await stream(4 * PIECE);
await new Promise((resolve) => setTimeout(resolve, 200));
const idle = status('VmRSS');
writeFileSync('/proc/self/clear_refs', '5'); // forgets the high-water mark
await stream(total);
console.log(((status('VmHWM') - idle) / 1024).toFixed(1));
