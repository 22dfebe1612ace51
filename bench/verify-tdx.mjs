// What a verified TD quote costs beside the signature verifications in it, which nobody can do without, and beside a peer.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseTdQuote } from '../build/modules/abi/td-quote.js';
import { importTdxCollateral } from '../build/modules/abi/tdx-collateral.js';
import { parseCertificates } from '../build/modules/abi/x509.js';
import { nodeContext } from '../build/modules/node/context.js';
import { forgetCollateral } from '../build/modules/verify/tdx/collateral.js';
import { forgetPckChains } from '../build/modules/verify/tdx/pck-chain.js';
// The modules behind the package, for chain and collateral that can be forgotten: they share one memory, dist/ has its own.
import { verifyTdQuoteIn } from '../build/modules/verify/tdx/td-quote.js';
import { compare } from './measure.mjs';

const fixtures = new URL('../../shared/fixtures/tdx/', import.meta.url);
const peers = new URL('../build/bench-peers/', import.meta.url);
const title = 'Verification of a TD quote (emr-v5-gcp)';
const now = new Date('2026-03-01T00:00:00Z');
const SCHEME = { scheme: 'ecdsa', hash: 'SHA-256' };
/** Chain 3, TCB signing certificate 1, documents 2, revocation lists 2, QE report and quote 2. */
const SIGNATURES = 10;
const PEER = '@phala/dcap-qvl@0.3.9';

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  if (!existsSync(fixtures)) {
    return { title, rows: [{ question: 'all', details: 'not measured: the genuine quotes are not there' }] };
  }
  const quote = new Uint8Array(readFileSync(new URL('emr-v5-gcp/td-quote.bin', fixtures)));
  const json = readFileSync(new URL('collateral/2026-03-90c06f000000.json', fixtures), 'utf8');
  const options = { collateral: importTdxCollateral(json), now };
  const verify = () => verifyTdQuoteIn(nodeContext, quote, options);
  const two = bareVerifications(quote);
  for (let i = 0; i < 2000; i++) await verify();
  const { timings, ratio, measure } = await compare({
    two,
    warm: verify,
    cold: () => {
      forgetPckChains();
      forgetCollateral();
      return verify();
    },
    parse: () => parseTdQuote(quote),
  });
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const details = (name) => `${each(name)}, two bare P-256 verifications of the same engine ${each('two')}`;
  return {
    title,
    rows: [
      {
        question: 'chain and collateral known, against the two signatures in the quote',
        ...measure('two', 'warm'),
        atMost: 1.3,
        details: details('warm'),
      },
      {
        question: `chain and collateral new, against all ${SIGNATURES} signatures`,
        ratio: (ratio('two', 'cold') * 2) / SIGNATURES,
        atMost: 1.5,
        details: details('cold'),
      },
      { question: 'parse a TD quote', ratio: 1e6 / timings.parse.median, unit: 'µs' },
      await besidePeer(quote, json, verify),
    ],
  };
}

/** Both signatures over bytes and keys that were parsed before. */
function bareVerifications(quote) {
  const { engine } = nodeContext;
  const { attestationKey, signed, signature, qeReport, qeReportSignature, pckCertification } = parseTdQuote(quote);
  const [{ publicKey }] = parseCertificates(pckCertification.data);
  const key = { type: 'ec', curve: 'P-256', x: attestationKey.slice(0, 32), y: attestationKey.slice(32) };
  return async () => {
    const report = await engine.verify(publicKey, SCHEME, qeReport.raw, qeReportSignature);
    if (!report || !(await engine.verify(key, SCHEME, signed, signature))) throw new Error('a bare verification fails');
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
