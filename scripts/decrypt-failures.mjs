// Whether a failed decryption shows by its time why it failed: wrong padding of the wrapped key, a key that is not the
// content's, or changed content. On a simulated machine, all kinds in each round in random order, against "changed content";
// "changed tag" fails for the same reason as that, and shows what the method makes of no difference.
//
// The test is that of Reparaz, Balasch and Verbauwhede ("dude, is my code constant time?", 2017): Welch's t of the times below
// the 90th percentile, of which |t| > 4.5 means a difference.
//
//   node scripts/decrypt-failures.mjs [ROUNDS, default 500]
import { constants, createPublicKey, publicEncrypt, randomBytes, randomInt } from 'node:crypto';
import { startSimulatedCvm } from '../bench/_simulated-cvm.mjs';
import { AttestationClient, encrypt } from '../dist/index.js';

const rounds = Number(process.argv[2] ?? 500);
const WARM_UP = 50;
const REFERENCE = 'changed content';

const cvm = await startSimulatedCvm();
const client = new AttestationClient(cvm.wiring);
try {
  const cases = await failures(await client.attest({ attestationUrl: cvm.attestationUrl }));
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
  for (let i = -WARM_UP; i < rounds; i++) {
    // Made before any is measured: what making one costs must not be in the caches for some of them.
    const round = Object.entries(cases).map(([name, make]) => ({ name, ...make() }));
    for (const { name, data, metadata } of shuffled(round)) {
      const started = process.hrtime.bigint();
      await client.decrypt(data, { encryptionMetadata: metadata }).catch(() => {});
      if (i >= 0) times[name].push(Number(process.hrtime.bigint() - started) / 1e3);
    }
  }
  report(times);
} finally {
  await client.close();
  await cvm.stop();
}

/** What fails, made again for each call so that none is cached anywhere. */
async function failures(token) {
  const { encryptedData, encryptionMetadata } = await encrypt(token, randomBytes(1_000));
  const metadata = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString());
  const changed = (members) => Buffer.from(Buffer.from(JSON.stringify({ ...metadata, ...members })).toString('base64'));
  const jwk = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())['x-ms-runtime'].keys.find(
    ({ kid }) => kid === 'TpmEphemeralEncryptionKey',
  );
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' });
  const withKey = (block) => ({
    data: encryptedData,
    metadata: changed({ encrypted_key: block.toString('base64url') }),
  });
  const wrap = (bytes) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes);
  return {
    [REFERENCE]: () => {
      const data = Buffer.from(encryptedData);
      data[randomInt(data.length)] ^= 1;
      return { data, metadata: changed({}) };
    },
    'changed tag': () => ({ data: encryptedData, metadata: changed({ tag: randomBytes(16).toString('base64url') }) }),
    'wrong padding': () => withKey(Buffer.concat([Buffer.alloc(1), randomBytes(255)])),
    'another key': () => withKey(wrap(randomBytes(32))),
    'a key of another length': () => withKey(wrap(randomBytes(16))),
  };
}

function shuffled(list) {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

function report(times) {
  console.log(`${rounds} rounds, µs; difference from "${REFERENCE}", with the interval that holds it 95 times in 100`);
  const reference = times[REFERENCE];
  for (const [name, values] of Object.entries(times)) {
    const [low, median, high] = [0.25, 0.5, 0.75].map((part) => quantile(values, part).toFixed(0).padStart(6));
    const spread = `${name.padEnd(24)} median ${median}, half of them ${low} to ${high}`;
    if (name === REFERENCE) {
      console.log(spread);
      continue;
    }
    const limit = quantile([...reference, ...values], 0.9);
    const below = (list) => list.filter((value) => value < limit);
    const { difference, from, to } = bootstrap(values, reference);
    const t = welch(below(values), below(reference));
    const verdict = Math.abs(t) > 4.5 ? 'DIFFERENT' : 'no difference';
    const interval = `${difference.toFixed(0).padStart(5)} (${from.toFixed(0)} to ${to.toFixed(0)})`;
    console.log(`${spread}; ${interval}, t = ${t.toFixed(1)}: ${verdict}`);
  }
}

function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
}

function welch(a, b) {
  const moments = (list) => {
    const mean = list.reduce((sum, value) => sum + value, 0) / list.length;
    const variance = list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (list.length - 1);
    return { mean, error: variance / list.length };
  };
  const [first, second] = [moments(a), moments(b)];
  return (first.mean - second.mean) / Math.sqrt(first.error + second.error);
}

/** Difference of medians, and its interval by drawing again from what was measured. */
function bootstrap(values, reference) {
  const draw = (list) =>
    quantile(
      Array.from(list, () => list[randomInt(list.length)]),
      0.5,
    );
  const differences = Array.from({ length: 1_000 }, () => draw(values) - draw(reference));
  return {
    difference: quantile(values, 0.5) - quantile(reference, 0.5),
    from: quantile(differences, 0.025),
    to: quantile(differences, 0.975),
  };
}
