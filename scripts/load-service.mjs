// The verifier service in a process of its own, for scripts/load-*.mjs: says how much memory it has when it is asked.

import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createVerifierService, memoryReplayStore, serveRequests } from '../dist/relying-party/index.js';

const self = fileURLToPath(import.meta.url);

export const AUDIENCE = 'https://service.example';
export const CONTEXT = 'login';

/** Starts it; `memory()` collects garbage first, so that what is left is held by something. */
export async function startService(verification, serveOptions = {}) {
  const child = fork(self, ['--service'], { execArgv: ['--expose-gc'], serialization: 'advanced' });
  const answer = (message) =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', () => reject(new Error('the service has ended')));
      child.send(message);
    });
  child.setMaxListeners(0);
  const { port } = await answer({ verification, serveOptions });
  return { port, memory: () => answer('memory'), stop: () => child.kill() };
}

if (process.argv[2] === '--service') {
  process.once('disconnect', () => process.exit());
  process.once('message', async ({ verification, serveOptions }) => {
    const service = createVerifierService({
      issuer: 'https://verifier.example',
      audiences: [AUDIENCE],
      contexts: [CONTEXT],
      signingKeys: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      secret: randomBytes(32),
      store: memoryReplayStore(),
      allowAnyMachine: true,
      ...verification,
    });
    const { port, server } = await serveRequests(service, serveOptions);
    process.on('message', () => {
      globalThis.gc();
      const { rss, heapUsed, external } = process.memoryUsage();
      server.getConnections((_, connections) => process.send({ rss, heapUsed, external, connections }));
    });
    process.send({ port });
  });
}
