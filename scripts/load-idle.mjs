// npm run load -- idle [CONNECTIONS]: that many connections (default 10,000) that send nothing. Meanwhile the verifier service answers
// others, and afterwards it has closed them all. Each connection is a file in both processes: `ulimit -n` must be larger.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { startService } from './load-service.mjs';

const REQUEST_TIMEOUT_MS = 10_000;
/** serveRequests gives a silent connection this much longer. */
const GRACE_MS = 5_000;
const AT_ONCE = 200;

async function health(port) {
  const started = performance.now();
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`, { headers: { Connection: 'close' } });
  await answer.text();
  return answer.status === 200 ? performance.now() - started : Number.NaN;
}

export async function idleConnections(count) {
  const open = Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 0);
  if (open < count + 100) {
    console.error(`ulimit -n is ${open}: ${count} connections need ${count + 100}`);
    return 1;
  }
  const service = await startService({}, { maxConnections: count + 100, requestTimeoutMs: REQUEST_TIMEOUT_MS });
  const before = await service.memory();
  let closed = 0;
  let refused = 0;
  const started = performance.now();
  let left = count;
  const opener = async () => {
    while (left-- > 0) {
      await new Promise((resolve) => {
        const socket = connect(service.port, '127.0.0.1', resolve);
        socket.on('error', () => {
          refused++;
          resolve();
        });
        socket.on('close', () => closed++);
        socket.resume();
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, opener));
  const opened = performance.now() - started;
  const during = await service.memory();
  const times = [];
  for (let number = 0; number < 20; number++) times.push(await health(service.port));
  const slowest = Math.max(...times);
  console.log(
    `${during.connections} connections held after ${(opened / 1000).toFixed(1)} s, ${refused} refused; ${((during.rss - before.rss) / count / 1024).toFixed(1)} KiB each; others answered within ${slowest.toFixed(0)} ms`,
  );
  while (closed < count && performance.now() - started < opened + REQUEST_TIMEOUT_MS + GRACE_MS + 30_000) {
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const after = await service.memory();
  console.log(
    `${closed} closed by the service after ${((performance.now() - started) / 1000).toFixed(1)} s; heap ${(before.heapUsed / 2 ** 20).toFixed(1)} MiB before, ${(during.heapUsed / 2 ** 20).toFixed(1)} with them, ${(after.heapUsed / 2 ** 20).toFixed(1)} after`,
  );
  service.stop();
  const isGood = refused === 0 && closed === count && slowest < 1_000 && after.connections === 0;
  console.log(isGood ? 'silent connections cost others nothing and end' : 'NOT as it must be');
  return isGood ? 0 : 1;
}
