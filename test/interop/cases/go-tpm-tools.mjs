import { readFile } from 'node:fs/promises';
import { expectVerdict } from '../inputs.mjs';
import { folder, goFolder, goVersion, installers } from '../install.mjs';
import { evidenceOf } from '../machines.mjs';
import { Witness } from '../witness.mjs';
import { replayLogs } from './go.mjs';

const name = 'go-tpm-tools';
const direction = 'our evidence → theirs';
const base64 = (bytes) => Buffer.from(bytes).toString('base64');

/** Google's verifier of virtual TPMs: AK certificate, quote, nonce and event log in one call. */
export async function judgeByGoTpmTools(results, machines) {
  const version = await goVersion(`google/${name}`);
  const missing = await installers.go();
  if (missing) return results.skip(name, version, direction, 'everything', missing);
  const witness = new Witness(`${folder}witness-go`);
  for (const machineName of ['milan', 'tdx']) {
    const machine = machines[machineName];
    const nonce = Buffer.from(`go-tpm-tools and a ${machineName} machine`);
    const { quote, akCertificate } = await evidenceOf(machine, nonce);
    const request = {
      op: 'tpm',
      nonce: base64(nonce),
      akCertificate: base64(akCertificate),
      authorities: machine.vtpmRoots.map((pem) => pem.replace(/-----[^-]+-----|\s/g, '')),
      message: base64(quote.message),
      // TPMT_SIGNATURE of RSASSA with SHA-256
      signature: base64(Buffer.concat([Buffer.from('0014000b0100', 'hex'), quote.signature])),
      pcrs: Object.fromEntries(Object.entries(quote.pcrs.values).map(([index, value]) => [index, base64(value)])),
      log: base64(await readFile(machine.eventLogPath)),
    };
    const expect = async (ok, what, changes) => expectVerdict(await witness.ask({ ...request, ...changes }), ok, what);
    const run = (operation, task) =>
      results.run(name, version, direction, `${operation} of a ${machineName} machine`, task);
    await run('verifies AK certificate, quote and event log', () => expect(true, 'the evidence'));
    await run('refuses another nonce, root or PCRs, a changed quote and a log that was cut', async () => {
      const changed = Buffer.from(quote.message);
      changed[60] ^= 1;
      await expect(false, 'another nonce', { nonce: base64(Buffer.from('another')) });
      await expect(false, 'a changed quote', { message: base64(changed) });
      await expect(false, 'other PCRs', { pcrs: { ...request.pcrs, 7: base64(Buffer.alloc(32)) } });
      await expect(false, 'a log that was cut', { log: base64(Buffer.from(request.log, 'base64').subarray(0, 2000)) });
      const roots = [base64(machines.milan.authority.ark.der), ...request.authorities.slice(1)];
      await expect(false, 'another root', { authorities: roots });
    });
  }
  await witness.stop();
  await results.run(name, version, 'their evidence → ours', 'its event logs of real machines', async () =>
    replayLogs(`${await goFolder(`github.com/google/${name}`)}/internal/test/eventlogs`),
  );
}
