// What a verified TD quote costs beside the signature verifications in it, which nobody can do without, and beside a peer.
import { spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseTdQuote } from '../build/modules/abi/td-quote.js';
import { importTdxCollateral } from '../build/modules/abi/tdx-collateral.js';
import { jwkOfPublicKey } from '../build/modules/engine/public-key.js';
import { native } from '../build/modules/native.js';
import { nodeContext } from '../build/modules/node/context.js';
import { forgetAttestationKeys } from '../build/modules/verify/tdx/check-signatures.js';
import { forgetCollateral } from '../build/modules/verify/tdx/collateral.js';
import { forgetPckChains } from '../build/modules/verify/tdx/pck-chain.js';
// The modules behind the package, for chain and collateral that can be forgotten: they share one memory, dist/ has its own.
import { verifyTdQuoteIn } from '../build/modules/verify/tdx/td-quote.js';
import { bareVerification } from './_ecdsa.mjs';
import { compare } from './measure.mjs';

const fixtures = new URL('../../shared/fixtures/tdx/', import.meta.url);
const peers = new URL('../build/bench-peers/', import.meta.url);
const title = 'Verification of a TD quote (emr-v5-gcp)';
const now = new Date('2026-03-01T00:00:00Z');
const PEER = '@phala/dcap-qvl@0.3.9';

const made = (verification) => verification();

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  if (!existsSync(fixtures)) {
    return { title, rows: [{ question: 'all', details: 'not measured: the genuine quotes are not there' }] };
  }
  const quote = new Uint8Array(readFileSync(new URL('emr-v5-gcp/td-quote.bin', fixtures)));
  const json = readFileSync(new URL('collateral/2026-03-90c06f000000.json', fixtures), 'utf8');
  const options = { collateral: importTdxCollateral(json), now };
  const verify = (context = nodeContext) => verifyTdQuoteIn(context, quote, options);
  const { all, two, byEvp } = await bareVerifications(verify);
  const forget = () => {
    forgetPckChains();
    forgetCollateral();
    forgetAttestationKeys();
  };
  const contenders = {
    all: () => all.forEach(made),
    two: () => two.forEach(made),
    warm: () => verify(byEvp),
    cold: () => {
      forget();
      return verify(byEvp);
    },
    'warm, keys known': () => verify(),
    'cold, keys known': () => {
      forget();
      return verify();
    },
    parse: () => parseTdQuote(quote),
  };
  // A service has its code compiled, that for new platforms as well; a round of 50 ms makes a few dozen calls.
  for (let i = 0; i < 2000; i++) for (const contender of Object.values(contenders).slice(2)) await contender();
  const { timings, measure } = await compare(contenders);
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const beside = (bare, name, question, more = {}) => ({
    question,
    ...measure(bare, name),
    ...more,
    details: `${each(name)} and ${each(bare)} by EVP alone`,
  });
  const known = "chain and collateral known ÷ the quote's 2 signatures, bare";
  const fresh = 'platform and collateral new ÷ all 10 signatures, bare';
  return {
    title,
    rows: [
      beside('two', 'warm', `${known}; keys new`, { atMost: 1.3 }),
      beside('all', 'cold', `${fresh}; keys new`, { atMost: 1.5 }),
      beside('two', 'warm, keys known', `${known}; keys known`),
      beside('all', 'cold, keys known', `${fresh}; all keys known`),
      { question: 'parse a TD quote', ratio: 1e6 / timings.parse.median, unit: 'µs' },
      await besidePeer(quote, json, verify),
    ],
  };
}

/**
 * The signature verifications in a call, each to be made again and nothing else: by EVP alone, with keys that are parsed and
 * bytes that are ready. `all` are those of a first call: chain 3, TCB signing certificate 1, documents 2, revocation lists 2,
 * QE report and quote 2; `two`, the last two, those of every other one.
 */
async function bareVerifications(verify) {
  const { engine } = nodeContext;
  const recorded = [];
  const bySignature = new Map();
  // Another engine, so that nothing is remembered for it.
  const recorder = {
    ...engine,
    verify: (...verification) => {
      recorded.push(verification);
      return engine.verify(...verification);
    },
  };
  const verificationsOf = async (expected) => {
    await verify({ engine: recorder });
    const made = recorded.splice(0);
    if (made.length !== expected) throw new Error(`${made.length} verifications instead of ${expected}`);
    return made.map(([key, { hash }, message, signature]) => {
      const publicKey = createPublicKey({ format: 'jwk', key: jwkOfPublicKey(key) });
      const verification = bareVerification({ hash, key: publicKey, message, signature });
      bySignature.set(numberOf(signature), verification);
      return verification;
    });
  };
  const all = await verificationsOf(10);
  return { all, two: await verificationsOf(2), byEvp: { engine: engineByEvp(bySignature) } };
}

/** Enough to tell ten signatures apart. */
const numberOf = (signature) => (signature[0] << 24) | (signature[1] << 16) | (signature[2] << 8) | signature[3];

/**
 * The addon's engine as it is with keys that it has not seen before: after the first rounds it has tables of all of a benchmark's
 * keys, and cannot be made to forget them. Keys are parsed by the addon, each once; the verdicts are EVP's.
 */
function engineByEvp(bySignature) {
  const { PublicKey } = native();
  const parsed = new WeakMap();
  return {
    ...nodeContext.engine,
    verify: (key, _scheme, _message, signature) => {
      if (!parsed.has(key)) parsed.set(key, new PublicKey(key.curve, key.x, key.y));
      return bySignature.get(numberOf(signature))();
    },
  };
}

/** The peer's JavaScript, on the same quote and collateral; some of what it leaves out is in docs/tdx.md's table of checks. */
async function besidePeer(quote, json, ours) {
  const question = 'against npm @phala/dcap-qvl';
  const folder = fileURLToPath(peers);
  if (!existsSync(new URL('node_modules/@phala/dcap-qvl/', peers))) {
    const args = ['i', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, PEER];
    const { status } = spawnSync('npm', args, { stdio: 'ignore', timeout: 120_000 });
    if (status !== 0) return { question, details: `not measured: ${PEER} cannot be installed` };
  }
  const peer = createRequire(pathToFileURL(`${folder}/`))('@phala/dcap-qvl');
  const collateral = JSON.parse(json);
  const theirs = () => peer.verify(quote, collateral, Math.floor(now.getTime() / 1000));
  try {
    await theirs();
  } catch (error) {
    return { question, details: `not measured: it refuses the genuine quote (${String(error).slice(0, 100)})` };
  }
  const { timings, measure } = await compare({ ours, theirs });
  return {
    question,
    ...measure('ours', 'theirs'),
    atLeast: 5,
    details: `${Math.round(timings.ours.median)}/s and ${timings.theirs.median.toFixed(1)}/s`,
  };
}
