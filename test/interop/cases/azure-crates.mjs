import { dirname } from 'node:path';
import { verifyEvidence } from '../../../dist/index.js';
import { crateVersion, folder, installers, run } from '../install.mjs';
import { expectNothingHeld } from '../machines.mjs';

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
}
