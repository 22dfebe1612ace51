// Three replicas of a service that gives a secret to attested machines, behind a balancer, with one Redis between them; and a
// simulated machine that asks for it, then tries to use its proof again on another replica.
//
//   node examples/three-replicas.mjs          needs redis-server and the package redis (npm install redis)
import { fork, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { attestationOf, redisReplayStore, requireAttestation } from 'cvm-guest-attestation/relying-party';

const self = fileURLToPath(import.meta.url);

/** The caller's own client: of this package's tests where it is not installed beside it. */
async function redisClient(path) {
  const places = [
    import.meta.url,
    join(process.cwd(), 'package.json'),
    join(process.cwd(), 'test/servers/package.json'),
  ];
  for (const place of places) {
    let file;
    try {
      file = createRequire(place).resolve('redis');
    } catch {
      continue;
    }
    const { createClient } = await import(pathToFileURL(file).href);
    const client = createClient({ socket: { path } });
    client.on('error', () => {});
    await client.connect();
    return client;
  }
  throw new Error('the package redis is needed: npm install redis');
}

/** One replica. What it shares with the others: a secret, an origin, and Redis. */
async function replica({ name, secret, origin, redis, issuer, keys }) {
  const guard = requireAttestation({
    issuer,
    keys,
    proofOfPossession: {
      secret: Buffer.from(secret, 'hex'),
      origin,
      store: redisReplayStore(await redisClient(redis)),
    },
  });
  const server = createServer(async (request, response) => {
    if (!(await guard(request, response))) return;
    const vm = attestationOf(request)['x-ms-azurevm-vmid'];
    response.end(JSON.stringify({ replica: name, vm, secret: 'correct horse battery staple' }));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.send({ port: server.address().port });
}

/** Passes each request on to the next replica. */
function balancer(ports) {
  let next = 0;
  return createServer((request, response) => {
    const port = ports[next++ % ports.length];
    const { method, url: path, headers } = request;
    const forwarded = httpRequest({ port, host: '127.0.0.1', method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    forwarded.on('error', () => response.writeHead(502).end());
    request.pipe(forwarded);
  });
}

async function main() {
  const { SimulatedCvm } = await import('cvm-guest-attestation/simulator');
  const folder = mkdtempSync(join(tmpdir(), 'replicas-'));
  const redis = join(folder, 'redis.sock');
  const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--no-appendfsync-on-rewrite', 'no'];
  const server = spawn('redis-server', ['--port', '0', '--unixsocket', redis, '--dir', folder, ...durable], {
    stdio: 'ignore',
  });
  await new Promise((resolve, reject) => server.once('spawn', resolve).once('error', reject));
  const cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const ports = [];
  const door = balancer(ports);
  const children = [];
  try {
    const secret = randomBytes(32).toString('hex');
    await new Promise((resolve) => door.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${door.address().port}`;
    for (const name of ['one', 'two', 'three']) {
      const child = fork(self, ['--replica']);
      children.push(child);
      child.send({ name, secret, origin, redis, issuer: cvm.attestationUrl, keys: cvm.tokenKeys });
      const { port } = await new Promise((resolve) => child.once('message', resolve));
      ports.push(port);
    }
    console.log(`three replicas behind ${origin}, one Redis between them`);

    const token = await client.attest({ attestationUrl: cvm.attestationUrl });
    for (let request = 0; request < 3; request++) {
      const { replica: by, secret: value } = await (await client.fetch(`${origin}/secret`, { token })).json();
      console.log(`the attested machine gets its secret of replica ${by}: ${value}`);
    }
    const bearer = { authorization: `Bearer ${token}` };
    const refusal = await fetch(`${origin}/secret`, { headers: bearer });
    console.log(`whoever only has its token gets ${refusal.status} ${(await refusal.json()).error.code}`);
    const { challenge, sealed } = await (await fetch(`${origin}/secret`, { headers: bearer })).json();
    const headers = await client.proveRequest({ token, url: `${origin}/secret`, challenge, sealed });
    const answers = [];
    for (let attempt = 0; attempt < 3; attempt++) {
      const answer = await fetch(`${origin}/secret`, { headers });
      answers.push(answer.ok ? `${answer.status}` : `${answer.status} ${(await answer.json()).error.code}`);
      if (answer.ok) await answer.text();
    }
    console.log(`the same proof, sent to all three replicas: ${answers.join(', ')}`);
  } finally {
    for (const child of children) child.kill();
    door.closeAllConnections();
    door.close();
    await client.close();
    await cvm.stop();
    server.kill();
    await new Promise((resolve) => server.once('exit', resolve));
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv.includes('--replica')) process.once('message', replica);
else await main();
