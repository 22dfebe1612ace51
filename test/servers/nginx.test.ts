import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttestationClient } from '../../lib/index.js';
import { forwardAuth, memoryReplayStore, type ServedRequests, serveRequests } from '../../lib/relying-party/index.js';
import { SimulatedCvm } from '../../lib/simulator/index.js';
import { endServer, removeFolder, serverFolder, startServer } from './process.js';

const folder = serverFolder();
const configuration = readFileSync(new URL('../../examples/deploy/nginx.conf', import.meta.url), 'utf8');

let cvm: SimulatedCvm;
let client: AttestationClient;
let token: string;
let upstream: Server;
let auth: ServedRequests;
let nginx: ChildProcess;
let origin: string;
/** Requests that reached the service. */
const seen: { url: string; headers: Record<string, unknown> }[] = [];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

beforeAll(async () => {
  cvm = await SimulatedCvm.start();
  client = cvm.client();
  token = await client.attest({ attestationUrl: cvm.attestationUrl });
  upstream = createServer((request, response) => {
    seen.push({ url: request.url ?? '', headers: request.headers });
    response.end('secret');
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const port = await freePort();
  origin = `http://127.0.0.1:${port}`;
  auth = await serveRequests(
    forwardAuth({
      issuer: cvm.attestationUrl,
      keys: cvm.tokenKeys,
      proxy: 'nginx',
      proofOfPossession: { secret: Buffer.alloc(32, 1), store: memoryReplayStore(), origin },
    }),
  );
  const server = configuration
    .replace('listen LISTEN', `listen 127.0.0.1:${port}`)
    .replace('//AUTH', `//127.0.0.1:${auth.port}`)
    .replace('//UPSTREAM', `//127.0.0.1:${(upstream.address() as AddressInfo).port}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${join(folder, name)};`).join('\n');
  const http = `events {}\nhttp {\naccess_log off;\n${paths}\n${server}\n}\n`;
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${user}daemon off;\nmaster_process off;\npid ${join(folder, 'pid')};\n${http}`,
  );
  const parameters = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')];
  nginx = await startServer('nginx', parameters, () => fetch(`${origin}/`));
});
afterAll(async () => {
  await endServer(nginx);
  await auth.close(100);
  upstream.closeAllConnections();
  upstream.close();
  await client.close();
  await cvm.stop();
  removeFolder(folder);
});

describe('nginx in front of a service, with forwardAuth', () => {
  it('passes the challenge on, and lets the machine in that answers it', async () => {
    const response = await client.fetch(`${origin}/secrets/db?v=1,2`, { token });
    expect(await response.text()).toBe('secret');
    expect(seen.at(-1)?.url).toBe('/secrets/db?v=1,2');
    expect(seen.at(-1)?.headers).toMatchObject({
      'attestation-issuer': cvm.attestationUrl,
      'attestation-tee': 'sevsnpvm',
      'attestation-type': 'azurevm',
    });
    expect(seen.at(-1)?.headers.authorization).toBeUndefined();
    expect(seen.at(-1)?.headers['attestation-proof']).toBeUndefined();
  });

  it('lets nobody in without a token, or with a token alone', async () => {
    const before = seen.length;
    expect((await fetch(`${origin}/`)).status).toBe(401);
    const bearer = await fetch(`${origin}/`, { headers: { authorization: `Bearer ${token}` } });
    expect(bearer.status).toBe(401);
    expect(bearer.headers.get('www-authenticate')).toMatch(/^Attestation challenge="/);
    expect(seen).toHaveLength(before);
  });

  it('lets a proof through once, and for its own target and method alone', async () => {
    const challenged = await fetch(`${origin}/a`, { headers: { authorization: `Bearer ${token}` } });
    const found = /challenge="([^"]+)", sealed="([^"]+)"/.exec(challenged.headers.get('www-authenticate') ?? '');
    const request = { token, url: `${origin}/a`, challenge: found?.[1] ?? '', sealed: found?.[2] ?? '' };
    const headers = { ...(await client.proveRequest(request)) };
    const forged = { ...headers, 'x-original-uri': '/a', 'x-original-method': 'GET' };
    expect((await fetch(`${origin}/b`, { headers: forged })).status).toBe(401);
    expect((await fetch(`${origin}/a`, { method: 'POST', headers: forged })).status).toBe(401);
    expect((await fetch(`${origin}/a`, { headers })).status).toBe(200);
    expect((await fetch(`${origin}/a`, { headers })).status).toBe(401);
  });

  it('passes on no identity that a client gives itself', async () => {
    const forged = { 'attestation-vm-id': 'forged', 'Attestation-Issuer': 'https://evil.example' };
    await client.fetch(`${origin}/c`, { token, headers: forged });
    expect(seen.at(-1)?.headers['attestation-issuer']).toBe(cvm.attestationUrl);
    expect(JSON.stringify(seen.at(-1)?.headers)).not.toContain('forged');
  });
});
