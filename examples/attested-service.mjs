// Scenario "request from inside the workload": a service refuses to listen until it is attested, and renews its token
// when half of its life is over. Clients ask it for the token (GET /attestation) and need not take its word for anything.
//
//   node examples/attested-service.mjs --simulate                       on any machine; shows a renewal and ends
//   node examples/attested-service.mjs --attestation-url https://…      inside a confidential VM; serves until stopped
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { AttestationClient, verifyToken } from 'cvm-guest-attestation';

/**
 * Resolves once the service is attested and listens. It attests again when half of a token's life is over; should that fail
 * until the token expires, it stops serving rather than go on unattested. `log` is told what happens.
 */
export async function startAttestedService({ client, attestationUrl, port = 0, log = console.log, retryMs = 10_000 }) {
  const attest = async (signal) => {
    const nonce = randomBytes(32).toString('hex');
    const token = await client.attest({ attestationUrl, clientPayload: { nonce } }, { signal });
    const claims = await verifyToken(token, { issuer: attestationUrl, nonce, requireSecureBoot: true });
    const expiresAt = claims.exp * 1000;
    return { token, expiresAt, renewAt: (Date.now() + expiresAt) / 2 };
  };

  const stopping = new AbortController();
  const { signal } = stopping;
  let attestation = await attest(signal); // Rejects when this machine is not what it must be: nothing listens then.
  const server = createServer((request, response) => {
    if (Date.now() >= attestation.expiresAt) response.writeHead(503).end();
    else if (request.url === '/attestation') response.end(attestation.token);
    else response.end('secret work, done on attested hardware\n');
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  log(`attested, serving on ${url} until ${new Date(attestation.expiresAt).toISOString()}`);

  const renew = async () => {
    while (Date.now() < attestation.expiresAt) {
      await sleep(Math.max(0, attestation.renewAt - Date.now()), undefined, { signal });
      try {
        attestation = await attest(signal);
        log(`attested again, until ${new Date(attestation.expiresAt).toISOString()}`);
      } catch (error) {
        if (signal.aborted) throw error;
        log(`could not attest again: ${error.message}`);
        attestation.renewAt = Math.min(Date.now() + retryMs, attestation.expiresAt);
      }
    }
    log('the token has expired: no longer serving');
    server.close();
    server.closeAllConnections();
  };
  const renewing = renew().catch((error) => {
    if (!signal.aborted) throw error;
  });

  return {
    url,
    /** Settles when the service has ended. */
    ended: renewing,
    async stop() {
      stopping.abort();
      await renewing;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      simulate: { type: 'boolean', default: false },
      port: { type: 'string', default: '8080' },
      'attestation-url': { type: 'string', default: process.env.ATTESTATION_URL },
    },
  });
  if (values.simulate) return simulate();
  const attestationUrl = values['attestation-url'];
  if (attestationUrl === undefined) throw new Error('give --attestation-url, ATTESTATION_URL or --simulate');
  const client = new AttestationClient();
  try {
    const service = await startAttestedService({ client, attestationUrl, port: Number(values.port) });
    await service.ended;
  } finally {
    await client.close();
  }
}

async function simulate() {
  const { SimulatedCvm } = await import('cvm-guest-attestation/simulator');
  const cvm = await SimulatedCvm.start({ attestation: { tokenLifetimeSeconds: 10 } });
  const client = cvm.client();
  try {
    let renewed;
    const renewal = new Promise((resolve) => {
      renewed = resolve;
    });
    const log = (message) => {
      console.log(message);
      if (message.startsWith('attested again')) renewed();
    };
    const service = await startAttestedService({ client, attestationUrl: cvm.attestationUrl, log });
    console.log(`GET / → ${(await (await fetch(service.url)).text()).trim()}`);
    await Promise.race([renewal, service.ended]);
    const token = await (await fetch(`${service.url}/attestation`)).text();
    const claims = await verifyToken(token, { issuer: cvm.attestationUrl });
    console.log(`GET /attestation → a token that a client verifies itself, for VM ${claims['x-ms-azurevm-vmid']}`);
    await service.stop();
  } finally {
    await client.close();
    await cvm.stop();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
