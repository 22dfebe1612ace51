import { createRequire } from 'node:module';
import { folder, installers, npmVersion } from '../install.mjs';
import { evidenceOf } from '../machines.mjs';

const direction = 'their client → our simulator';
const name = '@azure/attestation';

/** Microsoft's SDK for JavaScript against the simulated services. */
export async function judgeAzureSdk(results, machines) {
  const missing = await installers.npm();
  if (missing) return results.skip(name, '', direction, 'everything', missing);
  const version = await npmVersion(name);
  const { AttestationClient } = createRequire(`${folder}npm/`)(name);
  const machine = machines.milan;
  await results.run(name, version, direction, 'reads the signing keys and the OpenID configuration', async () => {
    const client = new AttestationClient(machine.attestationUrl, { allowInsecureConnection: true });
    const signers = await client.getAttestationSigners();
    if (signers.length !== 1) throw new Error(`${signers.length} signers`);
    const configuration = await client.getOpenIdMetadata();
    if (configuration.issuer !== machine.attestationUrl) throw new Error(`issuer ${configuration.issuer}`);
  });
  await evidenceOf(machine);
}
