// Scenario "relying party handshake", with the attestation service: a secrets manager hands out a nonce over HTTPS, takes
// a token that carries it, and releases a secret that only the attested machine's TPM can decrypt.
//
//   node examples/handshake-token.mjs        runs both sides on any machine, against the simulator
import { pathToFileURL } from 'node:url';
import { encryptJwe, tokenEncryptionKey } from 'cvm-guest-attestation';
import { post, serveSecret } from './secrets-manager.mjs';

/** The relying party. `expectations` are what `verifyToken` takes: the issuer at least, and which VM may have the secret. */
export function startSecretsManager({ tls, secret, expectations }) {
  return serveSecret(tls, async ({ nonce, token }) => {
    const { jwk } = await tokenEncryptionKey(token, { ...expectations, nonce, requireSecureBoot: true });
    return { jwe: await encryptJwe(jwk, secret) };
  });
}

/** The guest: gets a nonce, has itself attested with it, and decrypts the secret in its TPM. */
export async function fetchSecret({ client, attestationUrl, secretsManagerUrl, ca }) {
  const { nonce } = await post(`${secretsManagerUrl}/nonce`, ca, {});
  const token = await client.attest({ attestationUrl, clientPayload: { nonce } });
  const { jwe } = await post(`${secretsManagerUrl}/secret`, ca, { nonce, token });
  return client.decryptJwe(jwe);
}

async function main() {
  const { createLoopbackTls, SimulatedCvm } = await import('cvm-guest-attestation/simulator');
  const cvm = await SimulatedCvm.start();
  const other = await SimulatedCvm.start();
  const client = cvm.client();
  const stranger = other.client();
  const tls = await createLoopbackTls();
  const manager = await startSecretsManager({
    tls,
    secret: Buffer.from('the database password'),
    expectations: { issuer: [cvm.attestationUrl, other.attestationUrl], vmId: cvm.vmId },
  });
  const common = { secretsManagerUrl: manager.url, ca: tls.ca.pem };
  try {
    const secret = await fetchSecret({ client, attestationUrl: cvm.attestationUrl, ...common });
    console.log(`the right guest decrypts: ${secret}`);
    client.free(secret);
    const outcome = await fetchSecret({ client: stranger, attestationUrl: other.attestationUrl, ...common }).catch(
      (error) => error.message,
    );
    console.log(`another VM: ${outcome}`);

    const { nonce } = await post(`${manager.url}/nonce`, tls.ca.pem, {});
    const token = await client.attest({ attestationUrl: cvm.attestationUrl, clientPayload: { nonce } });
    const attempt = () => post(`${manager.url}/secret`, tls.ca.pem, { nonce, token });
    await attempt();
    console.log(`a replayed nonce: ${await attempt().catch((error) => error.message)}`);
  } finally {
    await manager.stop();
    await Promise.all([client.close(), stranger.close()]);
    await Promise.all([cvm.stop(), other.stop()]);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
