import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { explainSnpReport, importBincodeQuote, parseHclReport, verifyEvidence } from '../../../dist/index.js';
import { expectVerdict } from '../inputs.mjs';
import { crateFolder, crateVersion, folder, installers, run } from '../install.mjs';
import { evidenceOf, expectNothingHeld } from '../machines.mjs';

const direction = 'their client → our simulator';

/** kinvolk's crates: they open /dev/tpmrm0 by name, and a TCTI library of the tests leads them to the simulator. */
export async function judgeAzureCrates(results, machines) {
  const client = 'az-snp-vtpm, az-cvm-vtpm (crates)';
  const version = await crateVersion('guest-rust', 'az-cvm-vtpm');
  const missing = (await installers.tcti()) ?? (await installers.rustGuest());
  if (missing) return results.skip(client, version, direction, 'everything', missing);
  for (const [name, type] of [
    ['milan', 'Snp'],
    ['tdx', 'Tdx'],
  ]) {
    const machine = machines[name];
    await results.run(
      client,
      version,
      direction,
      `reads report and key, quotes and extends PCR 23 on a ${name} machine`,
      async () => {
        const env = { ...process.env, LD_LIBRARY_PATH: dirname(`${folder}x`), SIMULATED_TPM: machine.tpm.socketPath };
        const { stdout } = await run(`${folder}cargo/release/guest`, ['challenge'], { env });
        const said = JSON.parse(stdout);
        if (said.reportType !== type || !said.akInReport) throw new Error(`report of type ${said.reportType}`);
        if (!said.pcr17) throw new Error('PCR 17 was extended');
        const bytes = (text) => Buffer.from(text, 'base64');
        const values = Object.fromEntries(said.pcrs.map((pcr, index) => [index, bytes(pcr)]));
        const hclReport = bytes(said.report);
        const evidence = {
          version: 1,
          hclReport,
          quote: { message: bytes(said.message), signature: bytes(said.signature), pcrs: { alg: 'sha256', values } },
          // What the crates would get from the metadata service, which has a fixed address.
          ...(machine.tdx
            ? { tdQuote: machine.tdx.quote(hclReport.subarray(32, 32 + 1024)) }
            : { certificates: { vcek: machine.signingLeaf.certificate.pem, chain: machine.authority.chainPem } }),
        };
        const options = { ...machine.verification, nonce: Buffer.from('challenge'), userData: Buffer.alloc(64, 0x5a) };
        await verifyEvidence(evidence, options);
        await expectNothingHeld(machine);
      },
    );
  }
  await judgeByThem(results, machines, client, version);
  await judgeTheirs(results, client, version);
}

/** The same crates as trustee's verifier uses them: chain, report, binding of the claims and quote. */
async function judgeByThem(results, machines, client, version) {
  for (const name of ['milan', 'genoa', 'tdx']) {
    const machine = machines[name];
    const nonce = Buffer.from(`judged by them: ${name}`);
    const { hclReport, quote } = await evidenceOf(machine, nonce, [...Array(24).keys()]);
    const base64 = (bytes) => Buffer.from(bytes).toString('base64');
    const [jwk] = parseHclReport(hclReport).claims.keys;
    const request = {
      hclReport: base64(hclReport),
      nonce: base64(nonce),
      ak: createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' }).export({
        format: 'pem',
        type: 'spki',
      }),
      quote: quoteOf(quote),
      ...(machine.tdx ? {} : { vcek: machine.signingLeaf.certificate.pem, chain: machine.authority.chainPem }),
    };
    const ask = (changes) => {
      const input = JSON.stringify({ ...request, ...changes });
      return JSON.parse(execFileSync(`${folder}cargo/release/guest`, ['--verify'], { input }));
    };
    const what = machine.tdx ? 'the quote' : 'chain, report, claims and quote';
    await results.run(client, version, 'our evidence → theirs', `verifies ${what} of a ${name} machine`, async () =>
      expectVerdict(ask({}), true, 'the evidence'),
    );
    await results.run(
      client,
      version,
      'our evidence → theirs',
      `refuses changed evidence of a ${name} machine`,
      async () => {
        const changed = Buffer.from(hclReport);
        changed[32 + 0x90] ^= 1;
        const pcrs = Object.values(quote.pcrs.values).map((value) => Buffer.from(value).fill(1));
        if (!machine.tdx) expectVerdict(ask({ hclReport: base64(changed) }), false, 'a changed report');
        expectVerdict(ask({ nonce: base64(Buffer.from('another')) }), false, 'another nonce');
        expectVerdict(ask({ quote: { ...request.quote, pcrs: pcrs.map((pcr) => [...pcr]) } }), false, 'other PCRs');
      },
    );
  }
}

/** As the crates serialize a quote: arrays of numbers. */
const quoteOf = ({ message, signature, pcrs }) => ({
  message: [...message],
  signature: [...signature],
  pcrs: Object.values(pcrs.values).map((value) => [...value]),
});

/** What the crate ships: its reports bind their claims, and its VCEK is of another chip than its SEV-SNP report. */
async function judgeTheirs(results, client, version) {
  const test = `${await crateFolder('guest-rust', 'az-cvm-vtpm')}/test`;
  const operation = 'its HCL reports and its quote are read, and its VCEK of another chip is refused';
  await results.run(client, version, 'their evidence → ours', operation, async () => {
    for (const tee of ['snp', 'tdx']) {
      const { bound, claims } = parseHclReport(await readFile(`${test}/hcl-report-${tee}.bin`));
      if (!bound || !claims.keys.some(({ kid }) => kid === 'HCLAkPub'))
        throw new Error(`the ${tee} report is not bound`);
    }
    const pcrs = Object.keys(importBincodeQuote(await readFile(`${test}/quote.bin`)).pcrs.values);
    if (pcrs.length !== 24) throw new Error(`${pcrs.length} PCRs in the quote`);
    const report = (await readFile(`${test}/hcl-report-snp.bin`)).subarray(32, 32 + 1184);
    const pem = await readFile(`${test}/certs.pem`, 'latin1');
    const [vcek, ask, ark] = pem.split(/(?<=-----END CERTIFICATE-----\n)/);
    const verdict = await explainSnpReport(report, { vcek, ask, ark });
    const codes = verdict.checks.filter(({ ok }) => !ok).map(({ code }) => code);
    if (codes.join() !== 'ERR_HWID_MISMATCH,ERR_SNP_SIGNATURE')
      throw new Error(`fails with ${codes.join() || 'nothing'}`);
  });
}
