// What the verifier service costs over verifyEvidence in a loop: CPU seconds of its processes for 1,000 evidences, and how long
// the slowest wait at half of the load that it can carry. Loop and services take turns, a second each, because the machine
// changes its speed within minutes: what counts is the median of the ratios within rounds.
//
// Requests at half load are sent evenly, so that none waits for another one: what makes a tail is a pause of the service or of
// the machine. (By chance, as Poisson would send them, p99 would be 4.3 × the median in one thread without any pause: M/D/1 at
// half load.) The client must not make one either: it has precedence, does not collect garbage, and never sends two requests close
// together to make up for a late timer. Beside it stands the tail of the loop's own calls, one after the other in one process.
//
// A load generator and V8's helpers beside a service on two cores keep it waiting: Linux lets each of them run for 3 to 4 ms
// before it gives the core to a thread that has become ready, and the slowest hundredth is made of little else. So it is
// measured twice: as the scheduler places all threads, and with each thread that verifies on a core of its own, from which the
// others are kept as far as there are cores.
import { fork, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
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
      for (const { port, ask, name, child, workers } of services) {
        const before = await ask({});
        const { perSecond } = await client.ask({ ...calls, port, count: CALLS });
        const after = await ask({});
        const load = { body, port, count: CALLS_AT_HALF_LOAD, perSecond: perSecond / 2 };
        const half = await client.ask(load);
        const placed = await onCoresOfTheirOwn({ service: child, client: client.child, workers }, () =>
          client.ask(load),
        );
        measured[name] = {
          cpuMs: (after.cpuMs - before.cpuMs) / CALLS,
          perSecond,
          half: { load: half.perSecond / perSecond, ...spread(half.times) },
          placed: { load: placed.perSecond / perSecond, ...spread(placed.times) },
        };
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
    ...[
      ['half', 'as the scheduler places it'],
      ['placed', workers === 0 ? 'on a core of its own' : 'each worker on a core'],
    ].map(([how, where]) => ({
      question: `p99 ÷ median at half of that load, ${name}, ${where}`,
      ...summary(results.map((round) => round[name][how].p99 / round[name][how].median)),
      quiet,
      atMost: 3,
      details:
        `${middle((round) => round[name][how].p99)} ms, median ${middle((round) => round[name][how].median)} ms; the loop's own ` +
        `calls ${middle((round) => round.loop.p99 / round.loop.median)} ×; sent at ` +
        `${middle((round) => round[name][how].load)} of the load`,
    })),
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

/**
 * Runs `work` while the thread of the service, or each of its workers, has a core, and all other threads of service and client
 * have the last one. Without taskset(1), or with one core, they stay where they are.
 */
async function onCoresOfTheirOwn({ service, client, workers }, work) {
  const threads = (pid) => readdirSync(`/proc/${pid}/task`).map(Number);
  const ran = (thread) => Number(readFileSync(`/proc/${service.pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  const others = threads(service.pid).filter((thread) => thread !== service.pid);
  const verifying =
    workers === 0 ? [service.pid] : others.sort((one, other) => ran(other) - ran(one)).slice(0, workers);
  const last = cpus().length - 1;
  const all = [...threads(service.pid), ...threads(client.pid)];
  const shared = all.filter((thread) => !verifying.includes(thread));
  for (const [index, thread] of verifying.entries()) place(thread, Math.min(index, last));
  // With as many workers as cores the rest has all of them, as it would have without the workers.
  for (const thread of shared) place(thread, verifying.length > last ? `0-${last}` : last);
  try {
    return await work();
  } finally {
    for (const thread of all) place(thread, `0-${last}`);
  }
}

const place = (thread, cores) => spawnSync('taskset', ['-pc', String(cores), String(thread)]);

function spread(times) {
  const sorted = [...times].sort((one, other) => one - other);
  return { p99: sorted[Math.floor(sorted.length * 0.99)], median: median(sorted) };
}
