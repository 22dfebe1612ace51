import { here, installers, pythonPath, pythonVersion, run } from '../install.mjs';

const name = 'tpm2-pytss';
const direction = 'their client → our simulator';

/** tpm2-pytss, the TSS in Python: four guests at once on one machine. */
export async function judgePytss(results, machines) {
  const missing = await installers.python();
  if (missing) return results.skip(name, '', direction, 'everything', missing);
  const version = await pythonVersion('tpm2-pytss');
  const machine = machines.milan;
  const guest = async () => {
    const { stdout } = await run('python3', [`${here}guest-python/guest.py`, machine.tcti, 'challenge'], {
      env: { ...process.env, ...pythonPath },
    });
    const said = JSON.parse(stdout);
    if (said.decrypted !== 'a content key') throw new Error('decrypts something else');
    if (!Buffer.from(said.report, 'base64').toString('latin1').startsWith('HCLA')) throw new Error('no HCL report');
  };
  await results.run(name, version, direction, 'reads the HCL report, quotes and decrypts', guest);
  await results.run(name, version, direction, 'four guests at once do the same', async () => {
    await Promise.all([guest(), guest(), guest(), guest()]);
  });
}
