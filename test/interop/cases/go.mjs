import { readdir, readFile } from 'node:fs/promises';
import * as product from '../../../dist/index.js';
import { expectVerdict, snpRequest, tdxRequest } from '../inputs.mjs';
import { folder, goFolder, goVersion, installers } from '../install.mjs';
import { evidenceOf, snpParts } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const sev = 'go-sev-guest';
const tdx = 'go-tdx-guest';
const eventLog = 'go-eventlog';
const outwards = 'our evidence → theirs';
const inwards = 'their evidence → ours';

const flipped = (bytes, at) => {
  const copy = Buffer.from(bytes);
  copy[at] ^= 1;
  return copy;
};

/** Google's verifiers in Go. */
export async function judgeByGo(results, machines) {
  const [sevVersion, tdxVersion, logVersion] = await Promise.all(
    [sev, tdx, eventLog].map((name) => goVersion(`google/${name}`)),
  );
  const missing = await installers.go();
  if (missing) {
    for (const [name, version] of [
      [sev, sevVersion],
      [tdx, tdxVersion],
      [eventLog, logVersion],
    ]) {
      results.skip(name, version, outwards, 'everything', missing);
    }
    return;
  }
  const witness = new Witness(`${folder}witness-go`);
  for (const name of ['milan', 'genoa', 'turin']) {
    const machine = machines[name];
    const { product } = machine.authority;
    const { report, certificates } = snpParts(machine, await evidenceOf(machine));
    const ask = (bytes) => witness.ask(snpRequest(bytes, certificates, { product, ownRoot: true }));
    const verifies = async () => expectVerdict(await ask(report), true, 'the report');
    const operation = `verifies the report of a ${product} machine`;
    // The extension of Turin's FMC is newer than this release.
    if (product === 'Turin')
      await results.limitation(sev, sevVersion, outwards, operation, /OID: \S+\.3\.9$/, verifies);
    else await results.run(sev, sevVersion, outwards, operation, verifies);
    if (product === 'Turin') continue;
    await results.run(sev, sevVersion, outwards, `refuses a ${product} report with one bit changed`, async () =>
      expectVerdict(await ask(flipped(report, 0x50)), false, 'the changed report'),
    );
  }
  for (const [name, version] of [
    ['tdx', 4],
    ['tdx5', 5],
  ]) {
    const machine = machines[name];
    const { tdQuote } = await evidenceOf(machine);
    const options = { root: machine.trustedRoots[0] };
    const ask = (quote, collateral = machine.tdxCollateral) => witness.ask(tdxRequest(quote, collateral, options));
    const verifies = async () => expectVerdict(await ask(tdQuote), true, 'the quote');
    const operation = `verifies a TD quote of version ${version} with collateral`;
    if (version === 5)
      await results.limitation(tdx, tdxVersion, outwards, operation, /format not supported$/, verifies);
    else await results.run(tdx, tdxVersion, outwards, operation, verifies);
    if (version === 5) continue;
    await results.run(
      tdx,
      tdxVersion,
      outwards,
      `refuses a TD quote of version ${version} with one bit changed`,
      async () => expectVerdict(await ask(flipped(tdQuote, 200)), false, 'the changed quote'),
    );
  }
  for (const name of ['milan', 'tdx', 'windows']) {
    const log = await readFile(machines[name].eventLogPath);
    const indices = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14];
    const values = await machines[name].readPcrs(indices);
    const pcrs = Object.fromEntries([...values].map(([index, value]) => [index, value.toString('base64')]));
    const ask = (change) => witness.ask({ op: 'eventlog', log: log.toString('base64'), pcrs: { ...pcrs, ...change } });
    const replays = async () => expectVerdict(await ask({}), true, 'the log');
    const operation = `replays the event log of a ${name} machine`;
    // The trust point of Windows has no PCR, 0xffffffff, which is taken for padding.
    if (name === 'windows')
      await results.limitation(
        eventLog,
        logVersion,
        outwards,
        operation,
        /reached padding before event log EOF$/,
        replays,
      );
    else await results.run(eventLog, logVersion, outwards, operation, replays);
    if (name === 'windows') continue;
    await results.run(
      eventLog,
      logVersion,
      outwards,
      `refuses the event log of a ${name} machine for other PCRs`,
      async () => expectVerdict(await ask({ 7: Buffer.alloc(32).toString('base64') }), false, 'other PCRs'),
    );
  }
  await witness.stop();
  await judgeTheirs(results, sevVersion, tdxVersion, logVersion);
}

/** What Google's modules ship as test data. */
async function judgeTheirs(results, sevVersion, tdxVersion, logVersion) {
  const [sevFolder, tdxFolder, logFolder] = await Promise.all(
    [sev, tdx, eventLog].map((name) => goFolder(`github.com/google/${name}`)),
  );
  await results.run(sev, sevVersion, inwards, 'its Milan report with its VCEK', async () => {
    const report = await readFile(`${sevFolder}/verify/testdata/attestation.bin`);
    const vcek = await readFile(`${sevFolder}/verify/testdata/vcek.testcer`);
    const chain = await readFile(`${sevFolder}/verify/trust/ask_ark_milan.pem`, 'utf8');
    const [ask, ark] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
    const options = { policy: { allowDebug: true }, now: new Date('2023-06-01') };
    const result = await product.explainSnpReport(report.subarray(0, 1184), { vcek, ask, ark }, options);
    expectOk(result, true);
    expectOk(
      await product.explainSnpReport(flipped(report.subarray(0, 1184), 0x50), { vcek, ask, ark }, options),
      false,
    );
  });
  {
    const file = 'tdx_prod_quote_SPR_E4.dat';
    await results.run(tdx, tdxVersion, inwards, `its quote of version 4, ${file}, up to Intel's root`, async () => {
      const quote = await readFile(`${tdxFolder}/testing/testdata/${file}`);
      const options = { policy: { tdx: { requireCollateral: false } }, now: new Date('2024-06-01') };
      expectOk(await product.explainTdQuote(quote, options), true);
      expectOk(await product.explainTdQuote(flipped(quote, 200), options), false);
    });
  }
  await results.run(eventLog, logVersion, inwards, 'its event logs of real machines', () =>
    replayLogs(`${logFolder}/testdata/eventlogs/tpm`),
  );
}

/** Replays all logs of a folder; what cannot be replayed may only be of the SHA-1 format. */
export async function replayLogs(logs) {
  const counts = { replayed: 0, refused: 0 };
  for (const name of await readdir(logs)) {
    const bytes = await readFile(`${logs}/${name}`);
    // Logs of the SHA-1 format of old are not read here: an Azure guest has none.
    const isAgile = bytes.includes('Spec ID Event03');
    const replayed = replayed256(bytes);
    if (isAgile && replayed === 0) throw new Error(`${name} replays to nothing`);
    counts[replayed > 0 ? 'replayed' : 'refused']++;
  }
  return `${counts.replayed} replayed, ${counts.refused} of the SHA-1 format refused`;
}

/** Number of PCRs of the SHA-256 bank; 0 for a log that is refused. */
function replayed256(log) {
  try {
    return product.replayEventLog(product.parseEventLog(log), 'sha256').size;
  } catch {
    return 0;
  }
}

function expectOk(result, ok) {
  const failed = result.checks.filter((check) => !check.ok).map(({ code }) => code);
  if (result.ok !== ok) throw new Error(result.ok ? 'accepted' : `refused: ${failed.join(', ')}`);
}
