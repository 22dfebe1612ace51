// ECDSA verification: of a key that the process has seen before, which has a table, and of one that is new, beside EVP's.
import { generateKeyPairSync, sign } from 'node:crypto';
import { native } from '../build/modules/native.js';
import { bareVerification, bareVerificationOf30 } from './_ecdsa.mjs';
import { compare } from './measure.mjs';

const HASHES = { 'P-256': 'SHA-256', 'P-384': 'SHA-384' };
/** More than the addon counts: taken in turn, each is a new key whenever its turn comes. */
const NEW_KEYS = 1500;

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  return { title: 'ECDSA verification', rows: [...(await rowsOf('P-384')), ...(await rowsOf('P-256'))] };
}

async function rowsOf(curve) {
  const signed = signature1(curve);
  const of30 = bareVerificationOf30(signed);
  const known = verification(signed);
  for (let i = 0; i < 2000; i++) known();
  const fresh = Array.from({ length: NEW_KEYS }, () => signature1(curve));
  let turn = 0;
  const { timings, measure } = await compare({
    known,
    new: () => verification(fresh[turn++ % NEW_KEYS])(),
    bare: bareVerification(signed),
    ...(of30 && { of30: of30.verify }),
  });
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const keys = { known: 'key seen before', new: 'each key seen for the first time, parsing it included' };
  const row = (name, reference, question, version) => ({
    question: `${question}, ${name === 'known' ? 'key known' : 'key new'}`,
    ...measure(name, reference),
    details: `${keys[name]}: ${each(name)}; EVP of ${version}: ${each(reference)}`,
  });
  const beside30 = `${curve} verifications of the addon ÷ those with OpenSSL 3.0`;
  const besideOwn = `${curve} verifications of the addon ÷ EVP of the same OpenSSL`;
  const { opensslVersion } = native();
  const rows = [row('known', 'bare', besideOwn, opensslVersion), row('new', 'bare', besideOwn, opensslVersion)];
  if (of30 === undefined) {
    return [{ question: beside30, details: 'not measured: the OpenSSL of this machine is not 3.0' }, ...rows];
  }
  const target = curve === 'P-384' ? { atLeast: 1.3 } : {};
  return [
    { ...row('known', 'of30', beside30, of30.version), ...target },
    row('new', 'of30', beside30, of30.version),
    ...rows,
  ];
}

function signature1(curve) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const message = Buffer.alloc(672, 1); // as long as what is signed of an SNP report
  const hash = HASHES[curve];
  const signature = sign(hash.replace('-', ''), message, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  const jwk = publicKey.export({ format: 'jwk' });
  const [x, y] = [jwk.x, jwk.y].map((coordinate) => Buffer.from(coordinate, 'base64url'));
  return { curve, hash, key: publicKey, x, y, message, signature };
}

/** By the addon; the key is parsed here. */
function verification({ curve, hash, x, y, message, signature }) {
  const { PublicKey } = native();
  const key = new PublicKey(curve, x, y);
  return () => {
    if (!key.verify('ecdsa', hash, message, signature, 0)) throw new Error('a verification fails');
  };
}
