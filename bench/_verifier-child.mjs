// The processes that verifier.mjs compares: a bare loop of verifyEvidence, or a verifier service. Each says what processor time
// it has taken, in all its threads.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { evidenceFromJson, verifyEvidence } from '../dist/index.js';
import { createVerifierService, memoryReplayStore, serveRequests } from '../dist/relying-party/index.js';

const cpuMs = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function loop({ json, verification }) {
  process.on('message', async ({ count }) => {
    const times = new Float64Array(count);
    const before = cpuMs();
    for (let number = 0; number < count; number++) {
      const started = performance.now();
      await verifyEvidence(evidenceFromJson(json), verification);
      times[number] = performance.now() - started;
    }
    process.send({ cpuMs: (cpuMs() - before) / count, times: [...times] });
  });
  process.send({});
}

async function service({ verification, workers }) {
  const { port } = await serveRequests(
    createVerifierService({
      issuer: 'https://verifier.example',
      audiences: ['a'],
      signingKeys: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      secret: randomBytes(32),
      store: memoryReplayStore(),
      allowAnyMachine: true,
      workers,
      ...verification,
    }),
    { requestTimeoutMs: 600_000 },
  );
  process.on('message', () => process.send({ cpuMs: cpuMs() }));
  process.send({ port });
}

process.once('disconnect', () => process.exit());
process.once('message', (terms) => (terms.workers === undefined ? loop(terms) : service(terms)));
