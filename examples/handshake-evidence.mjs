// Scenario "relying party handshake", without an attestation service: the secrets manager verifies the guest's evidence
// itself, from AMD's root to the TPM's key, and encrypts to that key.
//
//   node examples/handshake-evidence.mjs        runs both sides on any machine, against the simulator
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import { pathToFileURL } from 'node:url';
import { encryptJwe, evidenceFromJson, evidenceToJson, VerificationError, verifyEvidence } from 'cvm-guest-attestation';

const NONCE_LIFETIME_MS = 60_000;
const MAX_OPEN_NONCES = 10_000;
const MAX_BODY = 1024 * 1024;

/**
 * The relying party. `trustedRoots` is for tests: AMD's own roots are pinned in the library. `pcrs` would pin the boot
 * as well, in `policy`.
 */
export async function startSecretsManager({ tls, secret, vmId, policy = {}, trustedRoots }) {
  const nonces = new Map(); // nonce → when it expires; each is good for one attempt
  const routes = {
    '/nonce': async () => {
      const now = Date.now();
      for (const [nonce, expires] of nonces) if (expires < now || nonces.size >= MAX_OPEN_NONCES) nonces.delete(nonce);
      const nonce = randomBytes(32).toString('hex');
      nonces.set(nonce, now + NONCE_LIFETIME_MS);
      return { nonce };
    },
    '/secret': async ({ nonce, evidence }) => {
      const expires = nonces.get(nonce);
      nonces.delete(nonce); // before anything else: whatever comes of this attempt, there is no second one
      if (expires === undefined || expires < Date.now())
        throw new VerificationError('ERR_NONCE', 'not a nonce of mine');
      const result = await verifyEvidence(evidenceFromJson(evidence), {
        nonce: Buffer.from(nonce, 'hex'),
        policy: { requireSecureBoot: true, ...policy },
        ...(trustedRoots && { trustedRoots }),
      });
      const failed = result.checks.find(({ ok }) => !ok);
      if (!result.ok) throw new VerificationError(failed.code, failed.name, result.checks);
      // Only now do the claims mean anything: the hardware's report binds them.
      if (result.claims['vm-configuration']?.vmUniqueId !== vmId)
        throw new VerificationError('ERR_VM_ID', 'another VM');
      if (result.encryptionKey === undefined) throw new VerificationError('ERR_ENCRYPTION_KEY', 'no key of the TPM');
      return { jwe: await encryptJwe(result.encryptionKey, secret) };
    },
  };
  const server = https.createServer(
    { cert: tls.certificate.pem, key: tls.privateKeyPem },
    async (request, response) => {
      const answer = (status, body) => response.writeHead(status).end(JSON.stringify(body));
      try {
        const route = request.method === 'POST' ? routes[request.url] : undefined;
        if (route === undefined) answer(404, {});
        else answer(200, await route(JSON.parse(await readBody(request))));
      } catch (error) {
        if (error instanceof VerificationError) answer(403, { error: { code: error.code } });
        else answer(400, {});
      }
    },
  );
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  return {
    url: `https://localhost:${server.address().port}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY) throw new RangeError('the request is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** The guest's side of an exchange: POST, checked against the secrets manager's own authority. */
export function post(url, ca, body) {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method: 'POST', ca, agent: false }, async (response) => {
      const answer = JSON.parse(await readBody(response).catch(reject));
      if (response.statusCode === 200) resolve(answer);
      else reject(new Error(`refused: ${answer.error?.code ?? response.statusCode}`));
    });
    request.on('error', reject).end(JSON.stringify(body));
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
    trustedRoots: cvm.trustedRoots,
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
