// Load and teardown: many mixed calls from 8 threads with 4 clients each on one TPM with three object slots and no
// resource manager; then threads and processes that end with work in flight.
//
//   npm run soak [-- --calls 10000 --teardowns 500 --threads 8 --clients 4 --json]
//
// Exits with 1 when a call ended otherwise than documented, memory grew over the second half, a handle stayed in the TPM, or
// anything crashed.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { startSimulatedCvm } from '../bench/_simulated-cvm.mjs';
import { AttestationClient, encrypt } from '../dist/index.js';

/** Growth of the resident memory over the second half that is not a leak: heaps breathe, and 8 of them do. */
const ALLOWED_GROWTH_MIB = 16;
const SAMPLES_EVERY = 100;

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '10000' },
    teardowns: { type: 'string', default: '500' },
    threads: { type: 'string', default: '8' },
    clients: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const calls = Number(values.calls);
const teardowns = Number(values.teardowns);
const threads = Number(values.threads);
const clients = Number(values.clients);
const program = (name) => fileURLToPath(new URL(`soak-${name}.mjs`, import.meta.url));

const cvm = await startSimulatedCvm();
let load;
let teardown;
try {
  const sealed = await sealedData();
  load = await underLoad(sealed);
  teardown = await tornDown(sealed);
} finally {
  await cvm.stop();
}
const ok = load.ok && teardown.ok;
console.log(values.json ? JSON.stringify({ ok, load, teardown }) : report());
process.exitCode = ok ? 0 : 1;

/** What the threads decrypt, and a client kept open so that its key is theirs. */
async function sealedData() {
  const client = new AttestationClient(cvm.wiring);
  const token = await client.attest({ attestationUrl: cvm.attestationUrl });
  const message = randomBytes(3_000);
  const envelope = await encrypt(token, message);
  const block = await encrypt(token, message.subarray(0, 100), { type: 'None' });
  await client.close();
  return { attestationUrl: cvm.attestationUrl, wiring: cvm.wiring, token, message, envelope, block };
}

async function underLoad(sealed) {
  const started = performance.now();
  const outcomes = {};
  const wrong = [];
  const samples = [];
  let done = 0;
  let ending = false;
  await Promise.all(
    Array.from({ length: threads }, async (_, index) => {
      const share = Math.floor(calls / threads) + (index < calls % threads ? 1 : 0);
      const worker = new Worker(program('worker'), { workerData: { ...sealed, clients, calls: share } });
      worker.on('message', ({ counts, failures }) => {
        for (const [outcome, count] of Object.entries(counts)) {
          outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
          done += count;
        }
        wrong.push(...failures);
        // Not once the first thread has gone: its memory goes with it.
        if (!ending && done >= (samples.length + 1) * SAMPLES_EVERY)
          samples.push([done, process.memoryUsage().rss / 2 ** 20]);
      });
      const [code] = await once(worker, 'exit');
      ending = true;
      if (code !== 0) wrong.push(`a thread ended with ${code}`);
    }),
  );
  const half = samples.filter(([count]) => count >= calls / 2);
  const growthMiB = half.length < 2 ? 0 : slope(half) * (half.at(-1)[0] - half[0][0]);
  const left = await countHandles();
  const seconds = (performance.now() - started) / 1000;
  return {
    ok: wrong.length === 0 && done === calls && growthMiB <= ALLOWED_GROWTH_MIB && left === 0,
    calls: done,
    seconds: round(seconds),
    perSecond: round(done / seconds),
    outcomes: Object.fromEntries(Object.entries(outcomes).sort()),
    rssMiB: samples.length === 0 ? undefined : { first: round(samples[0][1]), last: round(samples.at(-1)[1]) },
    growthOfSecondHalfMiB: round(growthMiB),
    handlesLeft: left,
    wrong: wrong.slice(0, 10),
  };
}

/** Ends threads and processes at any moment of their work, in three ways in turn. */
async function tornDown(sealed) {
  const ways = {
    'worker.terminate()': async (i) => {
      const worker = busyThread(sealed);
      await once(worker, 'message');
      await sleep(i % 40);
      await worker.terminate();
    },
    'end of a thread': async () => {
      const worker = busyThread({ ...sealed, leave: true });
      const [code] = await once(worker, 'exit');
      if (code !== 0) throw new Error(`the thread ended with ${code}`);
    },
    'process.exit()': async (i) => {
      const child = spawn(process.execPath, [program('exit'), String(i % 40)], {
        stdio: ['pipe', 'ignore', 'pipe'],
      });
      let stderr = '';
      child.stderr.on('data', (text) => {
        stderr += text;
      });
      const { wiring, block } = sealed;
      child.stdin.end(JSON.stringify({ wiring, block: block.encryptedData.toString('base64') }));
      const [code, signal] = await once(child, 'exit');
      if (code !== 7) throw new Error(`the process ended with ${code ?? signal}: ${stderr.slice(0, 500)}`);
    },
  };
  const tries = {};
  const handlesLeft = {};
  const crashes = [];
  const names = Object.keys(ways);
  for (const [index, name] of names.entries()) {
    tries[name] = Math.floor((teardowns + index) / names.length);
    for (let i = 0; i < tries[name]; i++) {
      await ways[name](i).catch((error) => crashes.push(`${name}: ${error.message}`));
    }
    handlesLeft[name] = await countHandles();
  }
  // An exiting process waits a bounded time for the command in flight, and goes then: on an overloaded machine that may
  // leave a handle (reported, and of no consequence behind a resource manager). Threads have no such excuse.
  const threadsLeft = handlesLeft['worker.terminate()'] + handlesLeft['end of a thread'];
  return { ok: crashes.length === 0 && threadsLeft === 0, tries, crashes: crashes.slice(0, 10), handlesLeft };
}

function busyThread(workerData) {
  return new Worker(program('worker'), { workerData: { ...workerData, clients: 2, calls: 1_000_000 } });
}

/** Handles in the TPM once the last users have had time to take theirs out. */
async function countHandles() {
  let left = 0;
  for (let i = 0; i < 100; i++) {
    const { transient, sessions } = await cvm.call('loadedHandles');
    left = transient.length + sessions.length;
    if (left === 0) break;
    await sleep(100);
  }
  return left;
}

/** Of the line through the samples, by least squares. */
function slope(samples) {
  const mean = (index) => samples.reduce((sum, sample) => sum + sample[index], 0) / samples.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = samples.reduce((sum, [count, size]) => sum + (count - x) * (size - y), 0);
  const variance = samples.reduce((sum, [count]) => sum + (count - x) ** 2, 0);
  return variance === 0 ? 0 : covariance / variance;
}

function round(value) {
  return Math.round(value * 10) / 10;
}

function report() {
  const mark = (part) => (part.ok ? '✓' : '✗');
  const counts = (record) =>
    Object.entries(record)
      .map(([name, count]) => `    ${name.padEnd(34)} ${count}`)
      .join('\n');
  return [
    `${mark(load)} load: ${load.calls} calls from ${threads} threads with ${clients} clients each in ${load.seconds} s (${load.perSecond}/s)`,
    counts(load.outcomes),
    `    resident memory ${load.rssMiB?.first} → ${load.rssMiB?.last} MiB; over the second half ${load.growthOfSecondHalfMiB} MiB (at most ${ALLOWED_GROWTH_MIB})`,
    `    handles left in the TPM: ${load.handlesLeft}`,
    ...load.wrong.map((what) => `    wrong: ${what}`),
    `${mark(teardown)} teardown with work in flight: ${teardowns} tries, ${teardown.crashes.length} crashes`,
    counts(teardown.tries),
    `    handles left in the TPM: ${Object.entries(teardown.handlesLeft)
      .map(([way, count]) => `${count} after ${way}`)
      .join(', ')}`,
    ...teardown.crashes.map((what) => `    crash: ${what}`),
  ].join('\n');
}
