// What the verifier service costs over verifyEvidence in a loop: CPU seconds of its processes for 1,000 evidences, and how long
// the slowest wait at half of the load that it can carry. Loop and services take turns, a second each, because the machine
// changes its speed within minutes: what counts is the median of the ratios within rounds.
//
// Requests at half load are sent evenly, so that none waits for another one: what makes a tail is a pause of the service or of
// the machine. (By chance, as Poisson would send them, p99 would be 4.3 × the median in one thread without any pause: M/D/1 at
// half load.) The client must not make one either: it has precedence, does not collect garbage, and never sends two requests close
// together to make up for a late timer. Beside it stands the tail of the loop's own calls, one after the other in one process.
import { fork } from 'node:child_process';
import { evidenceToJson } from '../dist/index.js';
import { SimulatedCvm } from '../dist/simulator/index.js';
import { median, summary, undisturbed } from './measure.mjs';

const ROUNDS = 11;
/** In a round, of each contender. */
const CALLS = 400;
const CALLS_AT_HALF_LOAD = 800;
const WARM_UP = 3_000;
const CLIENTS = 16;
/** Of garbage, in the client: a round leaves less than this. */
const NO_COLLECTIONS = ['--min-semi-space-size=64', '--max-semi-space-size=64'];
const SERVICES = [
  { workers: 0, name: 'in one thread' },
  { workers: 2, name: 'with 2 workers' },
];

export async function run() {
  const { json, verification } = await simulatedEvidence();
  const body = `{"evidence":${json}}`;
  const [loop, otherLoop] = await Promise.all([1, 2].map(() => started('_verifier-child.mjs', { json, verification })));
  const client = await started('_verifier-client.mjs', undefined, NO_COLLECTIONS);
  const services = [];
  for (const { workers, name } of SERVICES) {
    services.push({ workers, name, ...(await started('_verifier-child.mjs', { verification, workers })) });
  }
  const all = [loop, otherLoop, client, ...services];
  try {
    const calls = { body, count: WARM_UP, clients: CLIENTS };
    await Promise.all([loop, otherLoop].map(({ ask }) => ask({ count: WARM_UP })));
    for (const { port } of services) await client.ask({ ...calls, port });

    const round = async () => {
      const alone = await loop.ask({ count: CALLS_AT_HALF_LOAD });
      const together = await Promise.all([loop, otherLoop].map(({ ask }) => ask({ count: CALLS })));
      const measured = { loop: { cpuMs: alone.cpuMs, ...spread(alone.times) } };
      measured.loops = { cpuMs: (together[0].cpuMs + together[1].cpuMs) / 2 };
      for (const { port, ask, name } of services) {
        const before = await ask({});
        const { perSecond } = await client.ask({ ...calls, port, count: CALLS });
        const after = await ask({});
        const half = await client.ask({ body, port, count: CALLS_AT_HALF_LOAD, perSecond: perSecond / 2 });
        const load = half.perSecond / perSecond;
        measured[name] = { cpuMs: (after.cpuMs - before.cpuMs) / CALLS, perSecond, load, ...spread(half.times) };
      }
      return measured;
    };
    const { results, quiet } = await undisturbed(ROUNDS, round, { what: 'the verifier service' });
    return { title: 'The verifier service', rows: SERVICES.flatMap((service) => rowsOf(service, results, quiet)) };
  } finally {
    for (const { child } of all) child.kill();
  }
}

function rowsOf({ name, workers }, results, quiet) {
  const middle = (of, decimals = 2) => median(results.map(of)).toFixed(decimals);
  const againstTwo = middle((round) => round[name].cpuMs / round.loops.cpuMs);
  return [
    {
      question: `CPU of the service ÷ verifyEvidence, ${name}`,
      ...summary(results.map((round) => round[name].cpuMs / round.loop.cpuMs)),
      quiet,
      atMost: 1.25,
      details:
        `${middle((round) => round[name].cpuMs)} s against ${middle((round) => round.loop.cpuMs)} s for 1,000; ` +
        `${middle((round) => round[name].perSecond, 0)} a second` +
        (workers > 1 ? `; ${againstTwo} of two loops at once` : ''),
    },
    {
      question: `p99 ÷ median at half of that load, ${name}`,
      ...summary(results.map((round) => round[name].p99 / round[name].median)),
      quiet,
      atMost: 3,
      details:
        `${middle((round) => round[name].p99)} ms, median ${middle((round) => round[name].median)} ms; the loop's own calls ` +
        `${middle((round) => round.loop.p99 / round.loop.median)} ×; sent at ${middle((round) => round[name].load)} of the load`,
    },
  ];
}

async function simulatedEvidence() {
  const cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const json = evidenceToJson(await client.getEvidence());
  await client.close();
  const { verification } = cvm;
  await cvm.stop();
  return { json, verification };
}

/** A process, and what asks it; with what it said when it was told its terms. */
async function started(file, terms, execArgv = []) {
  const child = fork(new URL(file, import.meta.url), { execArgv });
  const ask = (message) =>
    new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`${file} ended`));
      child.once('exit', ended);
      child.once('message', (answer) => {
        child.off('exit', ended);
        resolve(answer);
      });
      child.send(message);
    });
  return { child, ask, ...(terms && (await ask(terms))) };
}

function spread(times) {
  const sorted = [...times].sort((one, other) => one - other);
  return { p99: sorted[Math.floor(sorted.length * 0.99)], median: median(sorted) };
}
