// npm run load -- memory [MINUTES]: good and hostile requests against the verifier service, mixed, for MINUTES (default 30), and
// whether its memory grows. Every five seconds the service collects its garbage and says its RSS; over all samples after the
// warm-up (a third of the time: the bounded caches of what was seen have to be full) goes a line by least squares.
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { evidenceToJson } from '../dist/index.js';
import { SimulatedCvm } from '../dist/simulator/index.js';
import { AUDIENCE, CONTEXT, startService } from './load-service.mjs';

const CLIENTS = 6;
const SAMPLE_MS = 5_000;
const EVIDENCES = 32;
/** Growth over the whole run that is not told from none: the allocator's pages. */
const NEGLIGIBLE = 0.02;

const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });

function send(port, path, body, method = 'POST') {
  return new Promise((resolve) => {
    const asked = request({ port, host: '127.0.0.1', agent, method, path }, (answer) => {
      answer.resume();
      answer.once('end', () => resolve(String(answer.statusCode)));
      answer.once('error', () => resolve('cut off'));
    });
    asked.on('error', () => resolve('cut off'));
    asked.end(body);
  });
}

/** Sends bytes and goes away, or waits to be sent away. */
function raw(port, bytes, waits) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (!waits) setTimeout(() => socket.destroy(), 20);
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve('closed'));
    socket.resume();
    // Nobody waits for what is held open: the service ends it.
    if (waits) setTimeout(() => resolve('held open'), 5);
  });
}

const pick = (list) => list[Math.floor(Math.random() * list.length)];

/** Kinds of requests: how often, and what. */
function kindsOf(port, evidences) {
  const evidence = (change = (text) => text) => send(port, '/v1/evidence', change(pick(evidences)));
  const flip = (text) => {
    const at = Math.floor(Math.random() * text.length);
    return `${text.slice(0, at)}${pick(['A', 'b', '"', '{', '0'])}${text.slice(at + 1)}`;
  };
  const head = 'POST /v1/evidence HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  return [
    [40, 'evidence', () => evidence()],
    [6, 'a challenge', () => send(port, '/v1/challenge', '')],
    [2, 'keys, health, metrics', () => send(port, pick(['/.well-known/jwks.json', '/healthz', '/metrics']), '', 'GET')],
    [10, 'evidence with a character changed', () => evidence(flip)],
    [6, 'evidence with a forged challenge', () => evidence((text) => text.replace('"nonce"', '"challenge"'))],
    [
      6,
      'a random challenge',
      () =>
        send(port, '/v1/evidence', JSON.stringify({ evidence: {}, challenge: randomBytes(57).toString('base64url') })),
    ],
    [6, 'no JSON', () => send(port, '/v1/evidence', randomBytes(4_000))],
    [4, 'deep nesting', () => send(port, '/v1/evidence', '['.repeat(100_000))],
    [2, 'many values', () => send(port, '/v1/evidence', `[${'0,'.repeat(200_000)}0]`)],
    [2, 'a body over the limit', () => send(port, '/v1/evidence', Buffer.alloc(3_000_000, 0x20))],
    [4, 'a token', () => send(port, '/v1/token', JSON.stringify({ token: randomBytes(300).toString('base64url') }))],
    [4, 'a path of its own', () => send(port, `/${randomBytes(200).toString('hex')}`, '', 'GET')],
    [4, 'a body that breaks off', () => raw(port, `${head}Content-Length: 100000\r\n\r\n{"evidence":`, false)],
    [2, 'headers that never end', () => raw(port, `${head}X-${randomBytes(8).toString('hex')}: `, true)],
    [2, 'no HTTP', () => raw(port, randomBytes(500), true)],
  ];
}

/** Slope and its 95 % interval; samples that follow their neighbours count for fewer. */
export function slopeOf(points) {
  const n = points.length;
  const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [mx, my] = [mean(xs), mean(ys)];
  const sxx = xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) / sxx;
  const rests = points.map(([x, y]) => y - my - slope * (x - mx));
  const square = rests.reduce((sum, rest) => sum + rest ** 2, 0);
  const lag = square === 0 ? 0 : rests.slice(1).reduce((sum, rest, index) => sum + rest * rests[index], 0) / square;
  const independent = Math.max(3, (n * (1 - Math.max(0, lag))) / (1 + Math.max(0, lag)));
  const error = Math.sqrt(square / Math.max(1, independent - 2) / (sxx * (independent / n)));
  return { slope, low: slope - 1.96 * error, high: slope + 1.96 * error };
}

export async function memoryUnderLoad(minutes) {
  const cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const evidences = [];
  for (let number = 0; number < EVIDENCES; number++) {
    const nonce = randomBytes(32);
    const evidence = evidenceToJson(await client.getEvidence({ nonce, context: CONTEXT }));
    const asked = `"aud":"${AUDIENCE}","nonce":"${nonce.toString('base64url')}","context":"${CONTEXT}"`;
    evidences.push(`{"evidence":${evidence},${asked}}`);
  }
  await client.close();
  const { verification } = cvm;
  await cvm.stop();
  const service = await startService(verification, { requestTimeoutMs: 2_000 });
  const kinds = kindsOf(service.port, evidences);
  const deck = kinds.flatMap(([times, name, work]) => Array.from({ length: times }, () => [name, work]));
  const answers = new Map();
  const started = performance.now();
  const end = started + minutes * 60_000;
  const worker = async () => {
    while (performance.now() < end) {
      const [name, work] = pick(deck);
      const kind = `${name}: ${await work()}`;
      answers.set(kind, (answers.get(kind) ?? 0) + 1);
    }
  };
  const samples = [];
  const sampler = async () => {
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
      const { rss, heapUsed } = await service.memory();
      samples.push([(performance.now() - started) / 3_600_000, rss / 2 ** 20, heapUsed / 2 ** 20]);
    }
  };
  await Promise.all([...Array.from({ length: CLIENTS }, worker), sampler()]);
  service.stop();
  agent.destroy();
  for (const [kind, count] of [...answers].sort()) console.log(`  ${kind}: ${count}`);
  const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
  const warmUp = minutes / 3 / 60;
  const steady = samples.filter(([hours]) => hours >= warmUp);
  const hours = steady.at(-1)[0] - steady[0][0];
  let isFlat = true;
  for (const [name, column] of [
    ['RSS', 1],
    ['heap', 2],
  ]) {
    const { slope, low, high } = slopeOf(steady.map((sample) => [sample[0], sample[column]]));
    const middle = steady.map((sample) => sample[column]).sort((one, other) => one - other)[steady.length >> 1];
    const flat = low <= 0 || low * hours < NEGLIGIBLE * middle;
    isFlat &&= flat;
    console.log(
      `${name}: median ${middle.toFixed(1)} MiB, slope ${slope.toFixed(2)} MiB an hour (95 %: ${low.toFixed(2)} to ${high.toFixed(2)}): ${flat ? 'flat' : 'NOT flat'}`,
    );
  }
  const good = [...answers].filter(([kind]) => kind.startsWith('evidence: ')).map(([kind]) => kind);
  const isAnswered = good.length === 1 && good[0] === 'evidence: 200';
  if (!isAnswered) console.log(`good evidence was not always answered: ${good.join(', ')}`);
  console.log(
    `${total} requests in ${minutes} minutes, ${steady.length} samples after the warm-up: ${isFlat && isAnswered ? 'memory is flat' : 'NOT as it must be'}`,
  );
  return isFlat && isAnswered ? 0 : 1;
}
