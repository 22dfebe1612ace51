// What a verified SNP report costs beside the one ECDSA P-384 verification in it, which nobody can do without.
import { spawnSync } from 'node:child_process';
import { createPublicKey, verify, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
// The modules behind the package, for a chain that can be forgotten: these two share one memory, dist/ has its own.
import { nodeContext } from '../build/modules/node/context.js';
import { forgetChains } from '../build/modules/verify/snp/chain.js';
import { explainSnpReportIn as explainForgetful } from '../build/modules/verify/snp/verify-snp-report.js';
import { explainEvidence, explainSnpReport, parseHclReport, parseSnpReport } from '../dist/index.js';
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
  const bare = bareVerification(report, certificates.vcek);
  const accepted = (result) => {
    if (!result.ok) throw new Error('genuine evidence was refused');
  };
  const nonce = Buffer.from('challenge');

  // A service has its code compiled; a round of 50 ms makes a few dozen calls.
  for (let i = 0; i < 2000; i++) accepted(await explainSnpReport(report, certificates, { now }));
  const { timings, ratio } = await compare({
    bare,
    warm: async () => accepted(await explainSnpReport(report, certificates, { now })),
    cold: async () => {
      forgetChains();
      accepted(await explainForgetful(nodeContext, report, certificates, { now }));
    },
    evidence: async () => accepted(await explainEvidence(evidence, { nonce, now })),
    'parse SNP report': () => parseSnpReport(report),
    'parse HCL report': () => parseHclReport(evidence.hclReport),
  });
  const each = (name) => `${Math.round(timings[name].median).toLocaleString('en')}/s`;
  const microseconds = (name) => 1e6 / timings[name].median;
  const beside = (name, question, more = {}) => ({
    question,
    ratio: ratio('bare', name),
    ...more,
    details: `${each(name)}, bare ECDSA P-384 verification by node:crypto ${each('bare')}`,
  });
  return {
    title,
    rows: [
      beside('warm', 'one SNP report, chain known, against bare ECDSA', { atMost: 1.15 }),
      beside('cold', 'one SNP report, chain new, against bare ECDSA'),
      beside('evidence', 'full evidence (report, claims, quote, 24 PCRs), chain known, against bare ECDSA'),
      { question: 'parse an SNP report', ratio: microseconds('parse SNP report'), unit: 'µs', atMost: 10 },
      { question: 'parse an HCL report with its claims', ratio: microseconds('parse HCL report'), unit: 'µs' },
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

/** ECDSA P-384 over the report's signed bytes and nothing else: key parsed, signature already in DER. */
function bareVerification(report, vcek) {
  const key = createPublicKey(new X509Certificate(vcek).publicKey.export({ type: 'spki', format: 'pem' }));
  const part = (offset) => Buffer.from(report.slice(offset, offset + 48)).reverse();
  const integer = (bytes) => {
    const value = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
    return Buffer.concat([Buffer.from([2, value.length + (value[0] >> 7)]), Buffer.alloc(value[0] >> 7), value]);
  };
  const numbers = Buffer.concat([integer(part(0x2a0)), integer(part(0x2e8))]);
  const signature = Buffer.concat([Buffer.from([0x30, numbers.length]), numbers]);
  const signed = report.slice(0, 0x2a0);
  return () => {
    if (!verify('sha384', signed, key, signature)) throw new Error('the bare verification fails');
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
  const { timings, ratio } = await compare({
    ours: () => explainSnpReport(report, { vcek: pem }, { now }),
    lit: () => lit.verify_attestation_report(text, new Uint8Array(raw)),
  });
  return {
    question,
    ratio: ratio('ours', 'lit'),
    details: `${timings.ours.median.toFixed(0)}/s and ${timings.lit.median.toFixed(1)}/s, azure-milan-v2`,
  };
}
