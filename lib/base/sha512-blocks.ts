/**
 * The compression function of SHA-384 and SHA-512 (FIPS 180-4 section 6.4.2), over whole blocks of 128 bytes. Each 64-bit
 * word is two of 32 bits, the high one first: BigInt would be twenty times slower.
 */

const K = Int32Array.of(
  0x428a2f98,
  0xd728ae22,
  0x71374491,
  0x23ef65cd,
  0xb5c0fbcf,
  0xec4d3b2f,
  0xe9b5dba5,
  0x8189dbbc,
  0x3956c25b,
  0xf348b538,
  0x59f111f1,
  0xb605d019,
  0x923f82a4,
  0xaf194f9b,
  0xab1c5ed5,
  0xda6d8118,
  0xd807aa98,
  0xa3030242,
  0x12835b01,
  0x45706fbe,
  0x243185be,
  0x4ee4b28c,
  0x550c7dc3,
  0xd5ffb4e2,
  0x72be5d74,
  0xf27b896f,
  0x80deb1fe,
  0x3b1696b1,
  0x9bdc06a7,
  0x25c71235,
  0xc19bf174,
  0xcf692694,
  0xe49b69c1,
  0x9ef14ad2,
  0xefbe4786,
  0x384f25e3,
  0x0fc19dc6,
  0x8b8cd5b5,
  0x240ca1cc,
  0x77ac9c65,
  0x2de92c6f,
  0x592b0275,
  0x4a7484aa,
  0x6ea6e483,
  0x5cb0a9dc,
  0xbd41fbd4,
  0x76f988da,
  0x831153b5,
  0x983e5152,
  0xee66dfab,
  0xa831c66d,
  0x2db43210,
  0xb00327c8,
  0x98fb213f,
  0xbf597fc7,
  0xbeef0ee4,
  0xc6e00bf3,
  0x3da88fc2,
  0xd5a79147,
  0x930aa725,
  0x06ca6351,
  0xe003826f,
  0x14292967,
  0x0a0e6e70,
  0x27b70a85,
  0x46d22ffc,
  0x2e1b2138,
  0x5c26c926,
  0x4d2c6dfc,
  0x5ac42aed,
  0x53380d13,
  0x9d95b3df,
  0x650a7354,
  0x8baf63de,
  0x766a0abb,
  0x3c77b2a8,
  0x81c2c92e,
  0x47edaee6,
  0x92722c85,
  0x1482353b,
  0xa2bfe8a1,
  0x4cf10364,
  0xa81a664b,
  0xbc423001,
  0xc24b8b70,
  0xd0f89791,
  0xc76c51a3,
  0x0654be30,
  0xd192e819,
  0xd6ef5218,
  0xd6990624,
  0x5565a910,
  0xf40e3585,
  0x5771202a,
  0x106aa070,
  0x32bbd1b8,
  0x19a4c116,
  0xb8d2d0c8,
  0x1e376c08,
  0x5141ab53,
  0x2748774c,
  0xdf8eeb99,
  0x34b0bcb5,
  0xe19b48a8,
  0x391c0cb3,
  0xc5c95a63,
  0x4ed8aa4a,
  0xe3418acb,
  0x5b9cca4f,
  0x7763e373,
  0x682e6ff3,
  0xd6b2b8a3,
  0x748f82ee,
  0x5defb2fc,
  0x78a5636f,
  0x43172f60,
  0x84c87814,
  0xa1f0ab72,
  0x8cc70208,
  0x1a6439ec,
  0x90befffa,
  0x23631e28,
  0xa4506ceb,
  0xde82bde9,
  0xbef9a3f7,
  0xb2c67915,
  0xc67178f2,
  0xe372532b,
  0xca273ece,
  0xea26619c,
  0xd186b8c7,
  0x21c0c207,
  0xeada7dd6,
  0xcde0eb1e,
  0xf57d4f7f,
  0xee6ed178,
  0x06f067aa,
  0x72176fba,
  0x0a637dc5,
  0xa2c898a6,
  0x113f9804,
  0xbef90dae,
  0x1b710b35,
  0x131c471b,
  0x28db77f5,
  0x23047d84,
  0x32caab7b,
  0x40c72493,
  0x3c9ebe0a,
  0x15c9bebc,
  0x431d67c4,
  0x9c100d4c,
  0x4cc5d4be,
  0xcb3e42b6,
  0x597f299c,
  0xfc657e2a,
  0x5fcb6fab,
  0x3ad6faec,
  0x6c44198c,
  0x4a475817,
);

/** Indices stay within what each caller has allocated. */
const at = (words: Int32Array, index: number): number => words[index] as number;

export function sha512Blocks(state: Int32Array, blocks: Uint8Array): void {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
  const w = new Int32Array(160);
  const s = new Int32Array(16);
  for (let offset = 0; offset < blocks.length; offset += 128) {
    for (let t = 0; t < 32; t++) w[t] = view.getInt32(offset + 4 * t);
    for (let t = 32; t < 160; t += 2) extend(w, t);
    s.set(state);
    for (let t = 0; t < 160; t += 2) round(s, at(K, t), at(K, t + 1), at(w, t), at(w, t + 1));
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
