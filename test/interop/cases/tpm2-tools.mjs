import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installers, run } from '../install.mjs';
import { evidenceOf, expectNothingHeld } from '../machines.mjs';

const name = 'tpm2-tools';

/** tpm2-tools: a guest's tools on the simulated TPM, and a judge of event logs and quotes. */
export async function judgeByTpm2Tools(results, machines) {
  const guest = 'their client → our simulator';
  const missing = await installers.tpm2Tools();
  if (missing) return results.skip(name, '', guest, 'everything', missing);
  const version = /version="([^"]+)"/.exec((await run('tpm2_getcap', ['--version'])).stdout)?.[1] ?? 'unknown';
  const machine = machines.milan;
  const folder = await mkdtemp(join(tmpdir(), 'interop-'));
  const file = (base) => join(folder, base);
  const environment = { env: { ...process.env, TPM2TOOLS_TCTI: machine.tcti }, encoding: 'buffer' };
  const tool = async (command, ...parameters) => (await run(`tpm2_${command}`, parameters, environment)).stdout;
  try {
    await results.run(name, version, guest, 'reads the HCL report (tpm2_nvread)', async () => {
      const report = await tool('nvread', '-C', 'o', '0x01400001');
      if (report.length !== 2600 || report.subarray(0, 4).toString() !== 'HCLA') throw new Error('something else');
    });
    await results.run(
      name,
      version,
      guest,
      'quotes with the attestation key, and checks it (tpm2_quote, tpm2_checkquote)',
      async () => {
        await tool('readpublic', '-c', '0x81000003', '-f', 'pem', '-o', file('ak.pem'));
        const quoted = ['-m', file('quote'), '-s', file('signature'), '-o', file('pcrs')];
        await tool(
          'quote',
          '-c',
          '0x81000003',
          '-l',
          'sha256:0,1,2,3,4,5,6,7',
          '-q',
          'abcd',
          '-g',
          'sha256',
          ...quoted,
        );
        await tool(
          'checkquote',
          '-u',
          file('ak.pem'),
          '-m',
          file('quote'),
          '-s',
          file('signature'),
          '-f',
          file('pcrs'),
          '-q',
          'abcd',
          '-g',
          'sha256',
        );
      },
    );
    await results.run(name, version, guest, 'decrypts with a key of its own, one process for each step', async () => {
      await tool(
        'createprimary',
        '-C',
        'n',
        '-G',
        'rsa2048',
        '-a',
        'decrypt|userwithauth|sensitivedataorigin|noda',
        '-c',
        file('key.ctx'),
      );
      await writeFile(file('plain'), 'a content key');
      await tool('rsaencrypt', '-c', file('key.ctx'), '-o', file('cipher'), file('plain'));
      const plain = await tool('rsadecrypt', '-c', file('key.ctx'), file('cipher'));
      if (!plain.toString().startsWith('a content key')) throw new Error('something else');
      await expectNothingHeld(machine);
    });
    await results.run(name, version, guest, 'cannot extend PCR 17, can extend PCR 23 (tpm2_pcrextend)', async () => {
      await tool('pcrextend', `23:sha256=${'42'.repeat(32)}`);
      const refused = await tool('pcrextend', `17:sha256=${'42'.repeat(32)}`).catch(() => undefined);
      if (refused) throw new Error('PCR 17 was extended');
    });
    await results.run(name, version, 'our evidence → theirs', 'checks our quote (tpm2_checkquote)', async () => {
      const evidence = await evidenceOf(machine, Buffer.from('abcd', 'hex'));
      await writeFile(file('ours'), evidence.quote.message);
      // TPMT_SIGNATURE of RSASSA with SHA-256
      const head = Buffer.from('0014000b0100', 'hex');
      await writeFile(file('ours.signature'), Buffer.concat([head, evidence.quote.signature]));
      await tool(
        'checkquote',
        '-u',
        file('ak.pem'),
        '-m',
        file('ours'),
        '-s',
        file('ours.signature'),
        '-q',
        'abcd',
        '-g',
        'sha256',
      );
    });
    await judgeEventLogs(results, machines, version);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** tpm2_eventlog on every machine: where it leads to are the machine's PCRs. */
async function judgeEventLogs(results, machines, version) {
  const direction = 'our evidence → theirs';
  const replays = async (machine) => {
    const { stdout } = await run('tpm2_eventlog', [machine.eventLogPath], { maxBuffer: 1 << 26 });
    const bank = stdout.split(/^ {2}sha256:/m)[1] ?? '';
    const found = bank.matchAll(/^ {4}(\d+) *: 0x([0-9a-f]{64})$/gm);
    const replayed = [...found].map(([, index, value]) => [Number(index), value]);
    const pcrs = await machine.readPcrs(replayed.map(([index]) => index));
    const differing = replayed.filter(([index, value]) => pcrs.get(index)?.toString('hex') !== value);
    if (replayed.length < 8 || differing.length > 0)
      throw new Error(`PCRs ${differing.map(([index]) => index)} differ`);
    return `${replayed.length} PCRs`;
  };
  for (const machineName of ['milan', 'genoa', 'turin', 'tdx', 'tdx5']) {
    const operation = `tpm2_eventlog replays the log of a ${machineName} machine to its PCRs`;
    await results.run(name, version, direction, operation, () => replays(machines[machineName]));
  }
  const operation = 'tpm2_eventlog replays a log like those of Windows';
  // The trust point of Windows has no PCR: its index is 0xffffffff.
  const message = /PCR Index -1 is out of bounds/;
  await results.limitation(name, version, direction, operation, message, () => replays(machines.windows));
  await results.run(name, version, direction, 'tpm2_eventlog finds nothing in an empty log', async () => {
    const { stderr = '', stdout = '' } = await run('tpm2_eventlog', [machines.silent.eventLogPath]).catch((e) => e);
    if (!stderr.includes('failed to parse tpm2 eventlog')) throw new Error('it does not say so');
    if (stdout.includes('EventNum')) throw new Error('it finds events');
  });
}
