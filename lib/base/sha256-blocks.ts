import { viewOf } from './bytes.js';
import { highWords, rootFractions } from './sha-constants.js';

/** The compression functions of SHA-1 and SHA-256 (FIPS 180-4 sections 6.1.2 and 6.2.2), over whole blocks of 64 bytes. */

/** The constants of section 4.2.2, made when first needed. */
let k256: Int32Array | undefined;

const K1 = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6] as const;

const left = (word: number, by: number): number => (word << by) | (word >>> (32 - by));
const right = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/** Indices stay within what each caller has allocated. */
const at = (words: Int32Array, index: number): number => words[index] as number;

/** The message schedule: written before it is read, in one go, so that one is enough. */
const schedule = new Int32Array(64);

export function sha256Blocks(state: Int32Array, blocks: Uint8Array): void {
  const view = viewOf(blocks);
  k256 ??= highWords(rootFractions(3, 0, 64));
  const k = k256;
  const w = schedule;
  for (let offset = 0; offset < blocks.length; offset += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(offset + 4 * t);
    for (let t = 16; t < 64; t++) {
      const x = at(w, t - 15);
      const y = at(w, t - 2);
      const s0 = right(x, 7) ^ right(x, 18) ^ (x >>> 3);
      const s1 = right(y, 17) ^ right(y, 19) ^ (y >>> 10);
      w[t] = (at(w, t - 16) + s0 + at(w, t - 7) + s1) | 0;
    }
    let a = at(state, 0);
    let b = at(state, 1);
    let c = at(state, 2);
    let d = at(state, 3);
    let e = at(state, 4);
    let f = at(state, 5);
    let g = at(state, 6);
    let h = at(state, 7);
    for (let t = 0; t < 64; t++) {
      const s1 = right(e, 6) ^ right(e, 11) ^ right(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(k, t) + at(w, t)) | 0;
      const s0 = right(a, 2) ^ right(a, 13) ^ right(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    addTo(state, [a, b, c, d, e, f, g, h]);
  }
}

export function sha1Blocks(state: Int32Array, blocks: Uint8Array): void {
  const view = viewOf(blocks);
  const w = new Int32Array(80);
  for (let offset = 0; offset < blocks.length; offset += 64) {
    for (let t = 0; t < 16; t++) w[t] = view.getInt32(offset + 4 * t);
    for (let t = 16; t < 80; t++) w[t] = left(at(w, t - 3) ^ at(w, t - 8) ^ at(w, t - 14) ^ at(w, t - 16), 1);
    let a = at(state, 0);
    let b = at(state, 1);
    let c = at(state, 2);
    let d = at(state, 3);
    let e = at(state, 4);
    for (let t = 0; t < 80; t++) {
      const f = t < 20 ? (b & c) ^ (~b & d) : t >= 40 && t < 60 ? (b & c) ^ (b & d) ^ (c & d) : b ^ c ^ d;
      const next = (left(a, 5) + f + e + (K1[Math.floor(t / 20)] as number) + at(w, t)) | 0;
      e = d;
      d = c;
      c = left(b, 30);
      b = a;
      a = next;
    }
    addTo(state, [a, b, c, d, e]);
  }
}

function addTo(state: Int32Array, words: readonly number[]): void {
  for (let index = 0; index < words.length; index++) state[index] = at(state, index) + (words[index] as number);
}
