// Scenario "relying party handshake", with the attestation service: a secrets manager hands out a nonce over HTTPS, takes
// a token that carries it, and releases a secret that only the attested machine's TPM can decrypt.
//
//   node examples/handshake-token.mjs        runs both sides on any machine, against the simulator
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import { pathToFileURL } from 'node:url';
import { encryptJwe, tokenEncryptionKey, VerificationError } from 'cvm-guest-attestation';

const NONCE_LIFETIME_MS = 60_000;
const MAX_OPEN_NONCES = 10_000;
const MAX_BODY = 256 * 1024;

/** The relying party. `expectations` are what `verifyToken` takes: the issuer at least, and which VM may have the secret. */
export async function startSecretsManager({ tls, secret, expectations }) {
  const nonces = new Map(); // nonce → when it expires; each is good for one attempt
  const routes = {
    '/nonce': async () => {
      const now = Date.now();
      for (const [nonce, expires] of nonces) if (expires < now || nonces.size >= MAX_OPEN_NONCES) nonces.delete(nonce);
      const nonce = randomBytes(32).toString('hex');
      nonces.set(nonce, now + NONCE_LIFETIME_MS);
      return { nonce };
    },
    '/secret': async ({ nonce, token }) => {
      const expires = nonces.get(nonce);
      nonces.delete(nonce); // before anything else: whatever comes of this attempt, there is no second one
      if (expires === undefined || expires < Date.now())
        throw new VerificationError('ERR_NONCE', 'not a nonce of mine');
      const { jwk } = await tokenEncryptionKey(token, { ...expectations, nonce, requireSecureBoot: true });
      return { jwe: await encryptJwe(jwk, secret) };
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
