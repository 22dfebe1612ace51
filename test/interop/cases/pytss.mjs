import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { here, installers, pythonPath, pythonVersion, run } from '../install.mjs';
import { expectNothingHeld } from '../machines.mjs';

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
  await results.run(
    name,
    version,
    direction,
    'two guests are killed with their keys loaded, a third works',
    async () => {
      const killed = [killedGuest(machine), killedGuest(machine)];
      await Promise.all(killed);
      await guest();
      await expectNothingHeld(machine);
    },
  );
}

/** A guest that ends by SIGKILL between loading its key and decrypting. */
async function killedGuest(machine) {
  const child = spawn('python3', [`${here}guest-python/guest.py`, machine.tcti, 'challenge', 'hold'], {
    env: { ...process.env, ...pythonPath },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(child.stdout, 'data');
  if (!String(said).startsWith('holding')) throw new Error('it does not hold its key');
  child.kill('SIGKILL');
  await once(child, 'exit');
}
