/**
 * The constants of SHA-2, computed as FIPS 180-4 defines them when they are first needed: in a browser, tables of them would
 * be a fiftieth of what it loads.
 */

const PRIMES = /* @__PURE__ */ firstPrimes(80);

/**
 * The first 64 bits of the fractional parts of the square roots (`degree` 2) or cube roots (3) of some of the first 80
 * primes: for each a high and a low word. SHA-256 takes the high ones.
 */
export function rootFractions(degree: 2 | 3, from: number, to: number): Int32Array {
  const words = new Int32Array(2 * (to - from));
  PRIMES.slice(from, to).forEach((prime, index) => {
    const root = integerRoot(BigInt(prime) << BigInt(64 * degree), BigInt(degree));
    words[2 * index] = Number(BigInt.asIntN(32, root >> 32n));
    words[2 * index + 1] = Number(BigInt.asIntN(32, root));
  });
  return words;
}

/** The high words alone. */
export function highWords(words: Int32Array): Int32Array {
  return words.filter((_, index) => index % 2 === 0);
}

/** By Newton's method, from above: all roots that are asked for are below 2^68. */
function integerRoot(number: bigint, degree: bigint): bigint {
  for (let root = 1n << 68n; ; ) {
    const next = ((degree - 1n) * root + number / root ** (degree - 1n)) / degree;
    if (next >= root) return root;
    root = next;
  }
}

function firstPrimes(count: number): readonly number[] {
  const primes: number[] = [];
  for (let number = 2; primes.length < count; number++) {
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  }
  return primes;
}
