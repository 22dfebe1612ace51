import { verifyToken } from '../../../dist/index.js';
import { crateVersion, folder, installers, run } from '../install.mjs';
import { expectNothingHeld } from '../machines.mjs';

const name = 'azure-guest-attestation-sdk (crate)';
const direction = 'their client → our simulator';

/** Microsoft's attestation SDK in Rust: it has no TCTI, so a library that is loaded before it leads it to the simulator. */
export async function judgeAzureRustSdk(results, machines) {
  const version = await crateVersion('guest-azure-sdk', 'azure-guest-attestation-sdk');
  const missing = (await installers.machine()) ?? (await installers.azureSdkGuest());
  if (missing) return results.skip(name, version, direction, 'everything', missing);
  for (const [machineName, type, endpoint] of [
    ['milan', 'SnpVmReport', 'sevsnpvm'],
    ['tdx', 'TdxVmReport', 'tdxvm'],
  ]) {
    const machine = machines[machineName];
    const ask = async (operation) => {
      const { stdout } = await run(`${folder}cargo/release/guest-azure-sdk`, [operation, machine.attestationUrl], {
        env: {
          ...process.env,
          NO_PROXY: '*',
          no_proxy: '*',
          LD_PRELOAD: `${folder}machine.so`,
          SIMULATED_TPM: machine.tpm.socketPath,
          SIMULATED_EVENT_LOG: machine.eventLogPath,
          SIMULATED_IMDS_PORT: new URL(machine.imdsUrl).port,
        },
        maxBuffer: 1 << 26,
      });
      await expectNothingHeld(machine);
      return JSON.parse(stdout.trim().split('\n').at(-1));
    };
    const on = (operation, task) =>
      results.run(name, version, direction, `${operation} on a ${machineName} machine`, task);
    await on('reads the report, the metadata and, of TDX, the quote', async () => {
      const said = await ask('evidence');
      if (said.type !== type) throw new Error(`report of type ${said.type}`);
      if (said.region !== 'westeurope') throw new Error(`region ${said.region}`);
      if (type === 'TdxVmReport' && said.quote === '') throw new Error('no quote');
    });
    await on('attests the guest and decrypts the token', async () => {
      const claims = await claimsOf(machine, (await ask('guest')).token, 'azurevm');
      if (claims['x-ms-isolation-tee']?.['x-ms-attestation-type'] !== endpoint) throw new Error('other claims');
    });
    await on('attests the platform', async () => {
      const claims = await claimsOf(machine, (await ask('platform')).token, endpoint);
      if (claims['x-ms-attestation-type'] !== endpoint) throw new Error('other claims');
    });
  }
}

/** The claims of a token that this library verifies. */
const claimsOf = (machine, token, attestationType) =>
  verifyToken(token, { issuer: machine.attestationUrl, keys: machine.tokenKeys, attestationType });
