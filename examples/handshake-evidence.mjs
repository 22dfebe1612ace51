// Scenario "relying party handshake", without an attestation service: the secrets manager verifies the guest's evidence
// itself, from AMD's root to the TPM's key, and encrypts to that key.
//
//   node examples/handshake-evidence.mjs        runs both sides on any machine, against the simulator
import { pathToFileURL } from 'node:url';
import { encryptJwe, evidenceFromJson, evidenceToJson, VerificationError, verifyEvidence } from 'cvm-guest-attestation';
import { post, serveSecret } from './secrets-manager.mjs';

/**
 * The relying party. `trustedRoots` and `policy` are for tests: AMD's own roots are pinned in the library, and Azure's
 * paravisors known to it. `pcrs` would pin the boot as well, in `policy`.
 */
export function startSecretsManager({ tls, secret, vmId, policy = {}, trustedRoots }) {
  return serveSecret(tls, async ({ nonce, evidence }) => {
    const result = await verifyEvidence(evidenceFromJson(evidence), {
      nonce: Buffer.from(nonce, 'hex'),
      policy: { requireSecureBoot: true, vmIds: [vmId], ...policy },
      ...(trustedRoots && { trustedRoots }),
    });
    if (result.encryptionKey === undefined) throw new VerificationError('ERR_ENCRYPTION_KEY', 'no key of the TPM');
    return { jwe: await encryptJwe(result.encryptionKey, secret) };
  });
}

/** The guest: gets a nonce, quotes its TPM over it, and decrypts the secret in that TPM. */
export async function fetchSecret({ client, secretsManagerUrl, ca }) {
  const { nonce } = await post(`${secretsManagerUrl}/nonce`, ca, {});
  const evidence = evidenceToJson(await client.getEvidence({ nonce: Buffer.from(nonce, 'hex') }));
  const { jwe } = await post(`${secretsManagerUrl}/secret`, ca, { nonce, evidence });
  return client.decryptJwe(jwe);
}

async function main() {
  const { createLoopbackTls, SimulatedCvm } = await import('cvm-guest-attestation/simulator');
  const DEBUG_ALLOWED = 0x3001fn | (1n << 19n);
  const cvm = await SimulatedCvm.start();
  const debuggable = await SimulatedCvm.start({ vmId: cvm.vmId, snpReport: { policy: DEBUG_ALLOWED } });
  const client = cvm.client();
  const tampered = debuggable.client();
  const tls = await createLoopbackTls();
  const manager = await startSecretsManager({
    tls,
    secret: Buffer.from('the database password'),
    vmId: cvm.vmId,
    ...cvm.verification,
  });
  const common = { secretsManagerUrl: manager.url, ca: tls.ca.pem };
  try {
    const secret = await fetchSecret({ client, ...common });
    console.log(`the right guest decrypts: ${secret}`);
    client.free(secret);
    const outcome = await fetchSecret({ client: tampered, ...common }).catch((error) => error.message);
    console.log(`a guest whose policy allows debugging: ${outcome}`);

    const { nonce } = await post(`${manager.url}/nonce`, tls.ca.pem, {});
    const evidence = evidenceToJson(await client.getEvidence({ nonce: Buffer.from(nonce, 'hex') }));
    const attempt = () => post(`${manager.url}/secret`, tls.ca.pem, { nonce, evidence });
    await attempt();
    console.log(`a replayed nonce: ${await attempt().catch((error) => error.message)}`);
  } finally {
    await manager.stop();
    await Promise.all([client.close(), tampered.close()]);
    await Promise.all([cvm.stop(), debuggable.stop()]);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
