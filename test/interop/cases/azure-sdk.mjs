import { createRequire } from 'node:module';
import { folder, installers, npmVersion } from '../install.mjs';

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
  await judgeKeyVaultSdk(results, machine);
}

/** Microsoft's key vault client asks the simulated vault for a key; this library verifies the answer. */
async function judgeKeyVaultSdk(results, machine) {
  const sdk = '@azure/keyvault-keys';
  const version = await npmVersion(sdk);
  const { KeyClient } = createRequire(`${folder}npm/`)(sdk);
  await results.run(sdk, version, direction, 'has a key released by an attestation token', async () => {
    const { kid, version: keyVersion } = machine.keyVault.createKey('interop', { kty: 'EC-HSM' });
    const guest = machine.client();
    try {
      const token = await guest.attest({ attestationUrl: machine.attestationUrl });
      const client = new KeyClient(machine.keyVaultUrl, machine.keyVault.credential(), {
        disableChallengeResourceVerification: true,
        tlsOptions: { ca: machine.keyVault.trustedRoots },
      });
      const algorithm = 'RSA_AES_KEY_WRAP_256';
      const nonce = 'interoperability';
      const { value } = await client.releaseKey('interop', token, { algorithm, nonce, version: keyVersion });
      const [, payload] = value.split('.');
      const said = JSON.parse(Buffer.from(payload, 'base64url').toString());
      if (said.response.key.key.kid !== kid) throw new Error(`key ${said.response.key.key.kid}`);
      if (said.request.nonce !== nonce || said.request.enc !== algorithm) throw new Error('another request');
    } finally {
      await guest.close();
    }
  });
}
