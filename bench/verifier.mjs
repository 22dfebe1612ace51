// What the verifier service costs over verifyEvidence in a loop: CPU seconds of its processes for 1,000 evidences, and how long
// the slowest wait at half of the load that it can carry. Requests are sent evenly, so that none waits for another one: what
// makes a tail is a pause of the service, of the client or of the machine. (By chance, as Poisson would send them, p99 would be
// 4.3 × the median in one thread without any pause: M/D/1 at half load.) Beside it stands the tail of the loop's own calls, one
// after the other in one process.
import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { evidenceFromJson, evidenceToJson, verifyEvidence } from '../dist/index.js';
import { createVerifierService, memoryReplayStore, serveRequests } from '../dist/relying-party/index.js';
import { SimulatedCvm } from '../dist/simulator/index.js';

const EVIDENCES = Number(process.env.VERIFIER_EVIDENCES ?? 3_000);
const self = fileURLToPath(import.meta.url);

/** CPU seconds of a process so far, its threads included. */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export async function run() {
  const cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const json = evidenceToJson(await client.getEvidence());
  await client.close();
  const { verification } = cvm;
  await cvm.stop();
  const rows = [];
  const loop = await inChild({ loop: true, json, verification });
  for (const workers of [0, 2]) {
    const service = await inChild({ loop: false, verification, workers });
    const agent = new Agent({ keepAlive: true, maxSockets: 16 });
    const body = `{"evidence":${json}}`;
    await loadClosed(service.port, agent, body, 1_500 * Math.max(1, workers)); // every thread compiles for itself
    const before = cpuSeconds(service.child.pid);
    const perSecond = await loadClosed(service.port, agent, body, EVIDENCES);
    const cpu = cpuSeconds(service.child.pid) - before;
    const name = workers === 0 ? 'in one thread' : `with ${workers} workers`;
    rows.push({
      question: `CPU of the service ÷ verifyEvidence, ${name}`,
      ratio: cpu / loop.cpu,
      atMost: 1.25,
      details: `${((1000 * cpu) / EVIDENCES).toFixed(2)} s against ${((1000 * loop.cpu) / EVIDENCES).toFixed(2)} s for 1,000; ${perSecond.toFixed(0)} a second`,
    });
    const { p99, median, late } = await loadOpen(service.port, agent, body, perSecond / 2, 5_000);
    rows.push({
      question: `p99 ÷ median at half of that load, ${name}`,
      ratio: p99 / median,
      atMost: 3,
      details: `${p99.toFixed(1)} ms, median ${median.toFixed(1)} ms; the loop's own calls ${loop.tail.toFixed(1)} ×; ${(100 * late).toFixed(1)} % sent over 1 ms late`,
    });
    agent.destroy();
    service.child.kill();
  }
  return { title: 'The verifier service', rows };
}

function inChild(message) {
  const child = fork(self, ['--child']);
  child.send(message);
  return new Promise((resolve) => child.once('message', (answer) => resolve({ ...answer, child })));
}

async function ask(port, agent, body) {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', agent, method: 'POST', path: '/v1/evidence' };
    request(options, (answer) => {
      answer.resume();
      answer.once('end', () =>
        answer.statusCode === 200 ? resolve() : reject(new Error(`status ${answer.statusCode}`)),
      );
    })
      .on('error', reject)
      .end(body);
  });
}

/** As fast as 16 clients can; requests a second. */
async function loadClosed(port, agent, body, count) {
  const started = performance.now();
  let left = count;
  const worker = async () => {
    while (left-- > 0) await ask(port, agent, body);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return (1000 * count) / (performance.now() - started);
}

/** At a steady rate, whatever the answers take. A request that the client sends late has waited since it was due. */
async function loadOpen(port, agent, body, perSecond, durationMs) {
  const times = [];
  const waiting = [];
  const started = performance.now();
  let late = 0;
  for (let number = 0; performance.now() - started < durationMs; number++) {
    const due = started + (1000 * number) / perSecond;
    const early = due - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    const asked = Math.min(performance.now(), due);
    if (performance.now() - due > 1) late++;
    waiting.push(ask(port, agent, body).then(() => times.push(performance.now() - asked)));
  }
  await Promise.all(waiting);
  return { ...spread(times), late: late / times.length };
}

function spread(times) {
  times.sort((one, other) => one - other);
  return { p99: times[Math.floor(times.length * 0.99)], median: times[times.length >> 1] };
}

if (process.argv.includes('--child')) {
  process.once('disconnect', () => process.exit());
  process.once('message', async ({ loop, json, verification, workers }) => {
    if (loop) {
      const once = () => verifyEvidence(evidenceFromJson(json), verification);
      for (let warm = 0; warm < 1_500; warm++) await once();
      const before = process.cpuUsage();
      const times = [];
      for (let number = 0; number < EVIDENCES; number++) {
        const started = performance.now();
        await once();
        times.push(performance.now() - started);
      }
      const { user, system } = process.cpuUsage(before);
      const { p99, median } = spread(times);
      process.send({ cpu: (user + system) / 1e6, tail: p99 / median }, () => process.exit());
      return;
    }
    const service = createVerifierService({
      issuer: 'https://verifier.example',
      audiences: ['a'],
      signingKeys: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
      secret: randomBytes(32),
      store: memoryReplayStore(),
      allowAnyMachine: true,
      maxConcurrent: 1_000,
      workers,
      ...verification,
    });
    const { port } = await serveRequests(service);
    process.send({ port });
  });
}
