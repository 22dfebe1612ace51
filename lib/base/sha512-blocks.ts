import { viewOf } from './bytes.js';
import { rootFractions } from './sha-constants.js';

/**
 * The compression function of SHA-384 and SHA-512 (FIPS 180-4 section 6.4.2), over whole blocks of 128 bytes. Each 64-bit
 * word is two of 32 bits, the high one first: BigInt would be twenty times slower.
 */

/** The constants of section 4.2.3, made when first needed. */
let k: Int32Array | undefined;

/** Indices stay within what each caller has allocated. */
const at = (words: Int32Array, index: number): number => words[index] as number;

export function sha512Blocks(state: Int32Array, blocks: Uint8Array): void {
  const view = viewOf(blocks);
  k ??= rootFractions(3, 0, 80);
  const w = new Int32Array(160);
  const s = new Int32Array(16);
  for (let offset = 0; offset < blocks.length; offset += 128) {
    for (let t = 0; t < 32; t++) w[t] = view.getInt32(offset + 4 * t);
    for (let t = 32; t < 160; t += 2) extend(w, t);
    s.set(state);
    for (let t = 0; t < 160; t += 2) round(s, at(k, t), at(k, t + 1), at(w, t), at(w, t + 1));
    for (let index = 0; index < 16; index += 2) {
      const low = (at(state, index + 1) >>> 0) + (at(s, index + 1) >>> 0);
      state[index] = at(state, index) + at(s, index) + carry(low);
      state[index + 1] = low;
    }
  }
}

/** What a sum of low words, each below 2^32, adds to the high word. */
const carry = (low: number): number => Math.floor(low / 0x1_0000_0000);

/** One more word of the message schedule: W(t) at index t of pairs of words. */
function extend(w: Int32Array, t: number): void {
  const xh = at(w, t - 30);
  const xl = at(w, t - 29);
  const yh = at(w, t - 4);
  const yl = at(w, t - 3);
  const s0h = ((xh >>> 1) | (xl << 31)) ^ ((xh >>> 8) | (xl << 24)) ^ (xh >>> 7);
  const s0l = ((xl >>> 1) | (xh << 31)) ^ ((xl >>> 8) | (xh << 24)) ^ ((xl >>> 7) | (xh << 25));
  const s1h = ((yh >>> 19) | (yl << 13)) ^ ((yl >>> 29) | (yh << 3)) ^ (yh >>> 6);
  const s1l = ((yl >>> 19) | (yh << 13)) ^ ((yh >>> 29) | (yl << 3)) ^ ((yl >>> 6) | (yh << 26));
  const low = (s0l >>> 0) + (s1l >>> 0) + (at(w, t - 13) >>> 0) + (at(w, t - 31) >>> 0);
  w[t] = s0h + s1h + at(w, t - 14) + at(w, t - 32) + carry(low);
  w[t + 1] = low;
}

/** One round over the working variables a to h, pairs of words 0 to 7 of `s`. */
function round(s: Int32Array, kh: number, kl: number, wh: number, wl: number): void {
  const eh = at(s, 8);
  const el = at(s, 9);
  const s1h = ((eh >>> 14) | (el << 18)) ^ ((eh >>> 18) | (el << 14)) ^ ((el >>> 9) | (eh << 23));
  const s1l = ((el >>> 14) | (eh << 18)) ^ ((el >>> 18) | (eh << 14)) ^ ((eh >>> 9) | (el << 23));
  const chh = (eh & at(s, 10)) ^ (~eh & at(s, 12));
  const chl = (el & at(s, 11)) ^ (~el & at(s, 13));
  const t1low = (at(s, 15) >>> 0) + (s1l >>> 0) + (chl >>> 0) + (kl >>> 0) + (wl >>> 0);
  const t1h = (at(s, 14) + s1h + chh + kh + wh + carry(t1low)) | 0;
  const t1l = t1low | 0;
  const ah = at(s, 0);
  const al = at(s, 1);
  const s0h = ((ah >>> 28) | (al << 4)) ^ ((al >>> 2) | (ah << 30)) ^ ((al >>> 7) | (ah << 25));
  const s0l = ((al >>> 28) | (ah << 4)) ^ ((ah >>> 2) | (al << 30)) ^ ((ah >>> 7) | (al << 25));
  const majh = (ah & at(s, 2)) ^ (ah & at(s, 4)) ^ (at(s, 2) & at(s, 4));
  const majl = (al & at(s, 3)) ^ (al & at(s, 5)) ^ (at(s, 3) & at(s, 5));
  const dlow = (at(s, 7) >>> 0) + (t1l >>> 0);
  const eHigh = at(s, 6) + t1h + carry(dlow);
  const alow = (t1l >>> 0) + (s0l >>> 0) + (majl >>> 0);
  const aHigh = t1h + s0h + majh + carry(alow);
  s.copyWithin(2, 0, 14);
  s[8] = eHigh;
  s[9] = dlow;
  s[0] = aHigh;
  s[1] = alow;
}
