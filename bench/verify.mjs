// What verified evidence costs beside the signatures and hashes in it, which nobody can do without: those of the same library,
// called with keys that are parsed already and bytes that are ready. ECDSA is EVP's, without the addon's tables of known keys.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { native } from '../build/modules/native.js';
// The modules behind the package, for a chain that can be forgotten: these two share one memory, dist/ has its own.
import { nodeContext } from '../build/modules/node/context.js';
import { forgetChains } from '../build/modules/verify/snp/chain.js';
import { explainSnpReportIn as explainForgetful } from '../build/modules/verify/snp/verify-snp-report.js';
import { explainSnpReport, parseHclReport, parseSnpReport, verifyEvidence, verifySnpReport } from '../dist/index.js';
import { verifySnpReport as verifyByWebCrypto } from '../dist/verify.js';
import { bareVerification } from './_ecdsa.mjs';
import { run as runImports } from './import.mjs';
import { compare, median } from './measure.mjs';

const fixtures = new URL('../../shared/fixtures/', import.meta.url);
const title = 'Verification of evidence (azure-milan-v3)';
const now = new Date('2026-07-01T00:00:00Z');
const fixture = (path) => new Uint8Array(readFileSync(new URL(path, fixtures)));

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  if (!existsSync(fixtures)) {
    return { title, rows: [{ question: 'all', details: 'not measured: the genuine evidence is not there' }] };
  }
  const report = fixture('azure-milan-v3/snp-report.bin');
  const certificates = {
    vcek: Buffer.from(fixture('azure-milan-v3/vcek.der')),
    ask: Buffer.from(fixture('amd-chains/ask_ark_milan.pem')).toString('utf8'),
  };
  const evidence = evidenceOf(certificates);
  const signed = signatureOf(report, certificates.vcek);
  const bare = bareVerification({ ...signed, hash: 'SHA-384' });
  const bareSubtle = await bareWebCrypto(signed);
  const bareParts = bareEvidence(evidence, bare);
  const nonce = Buffer.from('challenge');
  const contenders = {
    bare,
    'bare subtle': bareSubtle,
    'bare parts': bareParts,
    warm: () => verifySnpReport(report, certificates, { now }),
    webcrypto: () => verifyByWebCrypto(report, certificates, { now }),
    cold: () => {
      forgetChains();
      return explainForgetful(nodeContext, report, certificates, { now });
    },
    evidence: () => verifyEvidence(evidence, { nonce, now }),
    'parse SNP report': () => parseSnpReport(report),
    'parse HCL report': () => parseHclReport(evidence.hclReport),
  };
  const { engine: nodeEngine } = await contenders.warm();
  const { engine: webEngine } = await contenders.webcrypto();
  if (nodeEngine !== 'native' || webEngine !== 'webcrypto') throw new Error(`engines: ${nodeEngine}, ${webEngine}`);
  // A service has its code compiled; a round of 50 ms makes a few dozen calls.
  for (let i = 0; i < 1000; i++) for (const name of ['warm', 'webcrypto', 'evidence']) await contenders[name]();
  const { timings, measure } = await compare(contenders);
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const beside = (reference, name, question, { keys, ...more }) => ({
    question,
    ...measure(reference, name),
    ...more,
    details: `${each(name)} and ${each(reference)}; ${keys}`,
  });
  const microseconds = (name, question, atMost) => ({
    question,
    ratio: 1e6 / timings[name].median,
    unit: 'µs',
    atMost,
    details: `best round ${(1e6 / timings[name].best).toFixed(1)} µs`,
  });
  return {
    title,
    rows: [
      beside('bare', 'warm', "one SNP report, chain known, native ÷ bare ECDSA P-384 of the addon's OpenSSL", {
        atMost: 1.1,
        keys: 'key seen before, and EVP alone',
      }),
      beside('bare subtle', 'webcrypto', 'one SNP report, chain known, webcrypto ÷ one subtle.verify', {
        atMost: 1.25,
        keys: 'no keys are remembered',
      }),
      beside('bare parts', 'evidence', 'full evidence, decoded, native ÷ P-384, RSA-2048 and its hashes', {
        atMost: 1.25,
        keys: 'key seen before, and EVP alone',
      }),
      beside('bare', 'cold', "one SNP report, chain new, native ÷ bare ECDSA P-384 of the addon's OpenSSL", {
        keys: 'chain forgotten each time, its keys seen before',
      }),
      microseconds('parse SNP report', 'parse an SNP report', 10),
      microseconds('parse HCL report', 'parse an HCL report with its claims', 15),
      ...(await runImports()).rows,
      await bothCores(report, certificates),
      await besideOpensslSpeed(report, certificates),
      await besideLit(),
    ],
  };
}

function evidenceOf({ vcek, ask }) {
  const pcrs = fixture('azure-milan-v3/pcrs-sha256.bin');
  const values = Object.fromEntries(
    Array.from({ length: 24 }, (_, index) => [index, pcrs.slice(index * 32, index * 32 + 32)]),
  );
  const [message, signature] = [fixture('azure-milan-v3/quote.msg'), fixture('azure-milan-v3/quote.sig')];
  return {
    version: 1,
    hclReport: fixture('azure-milan-v3/hcl-report.bin'),
    certificates: { vcek, chain: ask },
    quote: { message, signature, pcrs: { alg: 'sha256', values } },
  };
}

/** Key, signed bytes and signature (r and s, big-endian) of a report, ready for an engine. */
function signatureOf(report, vcek) {
  const key = new X509Certificate(vcek).publicKey;
  const part = (offset) => Buffer.from(report.slice(offset, offset + 48)).reverse();
  return {
    key,
    jwk: key.export({ format: 'jwk' }),
    message: report.slice(0, 0x2a0),
    signature: Buffer.concat([part(0x2a0), part(0x2e8)]),
  };
}

const succeeds = (ok) => {
  if (!ok) throw new Error('a bare verification fails');
};
const decoded = (text) => Buffer.from(text, 'base64url');

async function bareWebCrypto({ jwk, message, signature }) {
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-384' }, false, ['verify']);
  return async () => succeeds(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-384' }, key, signature, message));
}

/** Both signatures of the evidence, and the hashes of runtime data and PCR values. */
function bareEvidence({ hclReport, quote }, report) {
  const { PublicKey, digest } = native();
  const { claims, variableData } = parseHclReport(hclReport);
  const { n, e } = claims.keys.find(({ kid }) => kid === 'HCLAkPub');
  const key = new PublicKey('rsa', decoded(n), decoded(e));
  // TPMT_SIGNATURE: scheme, hash and length before the 256 bytes.
  const signature = quote.signature.slice(-256);
  const pcrs = Buffer.concat(Object.values(quote.pcrs.values));
  return () => {
    report();
    succeeds(key.verify('rsa-pkcs1', 'SHA-256', quote.message, signature, 0));
    digest('SHA-256', variableData);
    digest('SHA-256', pcrs);
  };
}

/** One worker thread against two, in interleaved rounds. */
async function bothCores(report, certificates) {
  const start = async () => {
    const worker = new Worker(new URL('_verify-worker.mjs', import.meta.url), {
      workerData: { report, certificates, now },
    });
    await once(worker, 'message');
    return worker;
  };
  const workers = await Promise.all([start(), start()]);
  const count = async (some) => {
    const counts = some.map(async (worker) => (await once(worker, 'message'))[0]);
    for (const worker of some) worker.postMessage(200);
    return (await Promise.all(counts)).reduce((sum, value) => sum + value, 0) * 5;
  };
  const ratios = [];
  const both = [];
  for (let round = 0; round < 7; round++) {
    const one = await count(workers.slice(0, 1));
    both.push(await count(workers));
    ratios.push(both.at(-1) / one);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  return {
    question: 'one SNP report, chain known: two worker threads against one',
    ratio: median(ratios),
    details: `two threads ${Math.round(median(both)).toLocaleString('en')}/s together`,
  };
}

/** The command-line tool measures for a second at a time, so its rounds are longer. */
async function besideOpensslSpeed(report, certificates) {
  const question = 'one SNP report, chain known, against `openssl speed ecdsap384`';
  const ratios = [];
  let tool = 0;
  for (let round = 0; round < 3; round++) {
    const { stdout } = spawnSync('openssl', ['speed', '-mr', '-seconds', '1', 'ecdsap384'], { encoding: 'utf8' });
    // +F4:index:bits:signatures a second:verifications a second
    tool = Number(/^\+F4:\d+:384:[\d.]+:([\d.]+)/m.exec(stdout ?? '')?.[1]);
    if (!(tool > 0)) return { question, details: 'not measured: no openssl on the path' };
    const { timings } = await compare({ warm: () => explainSnpReport(report, certificates, { now }) }, { rounds: 5 });
    ratios.push(tool / timings.warm.median);
  }
  return { question, ratio: median(ratios), details: `openssl speed ${Math.round(tool)}/s` };
}

/** @lit-protocol/sev-snp-utils-sdk is no dependency: `npm i` it in a folder and name that in BENCH_MODULES. */
async function besideLit() {
  const question = 'one SNP report, chain known, against @lit-protocol/sev-snp-utils-sdk';
  const folder = process.env.BENCH_MODULES;
  if (folder === undefined) return { question, details: 'not measured: BENCH_MODULES names no folder that has it' };
  const lit = createRequire(pathToFileURL(`${folder}/`))('@lit-protocol/sev-snp-utils-sdk');
  await lit.initWasmSevSnpUtilsSdk();
  // It knows reports of version 2 on Milan only.
  const report = fixture('azure-milan-v2/snp-report.bin');
  const pem = Buffer.from(fixture('azure-milan-v2/vcek.pem')).toString('utf8');
  const { raw } = new X509Certificate(pem);
  const text = Buffer.from(report).toString('base64');
  try {
    await lit.verify_attestation_report(text, new Uint8Array(raw));
  } catch (error) {
    return { question, details: `not measured: it refuses the genuine report (${String(error).slice(0, 100)})` };
  }
  const { timings, measure } = await compare({
    ours: () => explainSnpReport(report, { vcek: pem }, { now }),
    lit: () => lit.verify_attestation_report(text, new Uint8Array(raw)),
  });
  return {
    question,
    ...measure('ours', 'lit'),
    details: `${timings.ours.median.toFixed(0)}/s and ${timings.lit.median.toFixed(1)}/s, azure-milan-v2`,
  };
}
