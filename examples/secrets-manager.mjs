// What both handshakes share: nonces that are good for one attempt, and JSON over HTTPS. Nothing here knows attestation; how
// the secret is released is each example's own matter.
import { randomBytes } from 'node:crypto';
import https from 'node:https';
import { VerificationError } from 'cvm-guest-attestation';

const NONCE_LIFETIME_MS = 60_000;
const MAX_OPEN_NONCES = 10_000;
const MAX_BODY = 1024 * 1024;

/** The nonces that were handed out: each expires, and is good for one attempt. */
class Nonces {
  #expiries = new Map();

  fresh() {
    const now = Date.now();
    for (const [nonce, expires] of this.#expiries) {
      if (expires < now || this.#expiries.size >= MAX_OPEN_NONCES) this.#expiries.delete(nonce);
    }
    const nonce = randomBytes(32).toString('hex');
    this.#expiries.set(nonce, now + NONCE_LIFETIME_MS);
    return nonce;
  }

  use(nonce) {
    const expires = this.#expiries.get(nonce);
    this.#expiries.delete(nonce); // before anything else: whatever comes of this attempt, there is no second one
    if (expires === undefined || expires < Date.now()) throw new VerificationError('ERR_NONCE', 'not a nonce of mine');
  }
}

/**
 * Serves `POST /nonce` and `POST /secret`. `release` gets what the guest sent, its nonce already used up, and resolves with
 * what the guest gets; a `VerificationError` becomes a 403 with its code, anything else a 400 without a reason.
 */
export async function serveSecret(tls, release) {
  const nonces = new Nonces();
  const routes = {
    '/nonce': async () => ({ nonce: nonces.fresh() }),
    '/secret': async (body) => {
      nonces.use(body.nonce);
      return release(body);
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
      try {
        const answer = JSON.parse(await readBody(response));
        if (response.statusCode === 200) resolve(answer);
        else reject(new Error(`refused: ${answer.error?.code ?? response.statusCode}`));
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject).end(JSON.stringify(body));
  });
}
