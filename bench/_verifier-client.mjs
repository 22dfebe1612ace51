// The load generator of verifier.mjs, a process of its own: requests made beforehand on raw sockets, answers of which only the
// head is read, and nothing that its garbage collector would have to pause for. What it takes from the service is little
// beside a verification, and its pauses do not stand in the service's times.
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { Worker } from 'node:worker_threads';

/** More than a service at half of its load ever has in use. */
const CONNECTIONS_AT_HALF_LOAD = 64;

class Connection {
  #socket;
  #answered;
  /** Of the answer, without its head; undefined while the head is not there. */
  #left;

  static async open(port) {
    const connection = new Connection();
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.on('data', (bytes) => connection.#take(bytes));
    socket.on('close', () => connection.#answered?.(new Error('the service closed the connection')));
    connection.#socket = socket;
    return connection;
  }

  /** Calls `answered` with an error, or nothing, when the whole answer is there. */
  ask(request, answered) {
    this.#answered = answered;
    this.#left = undefined;
    this.#socket.write(request);
  }

  #take(bytes) {
    if (this.#left === undefined) {
      const end = bytes.indexOf('\r\n\r\n');
      const head = bytes.latin1Slice(0, end);
      const length = /^content-length: (\d+)$/im.exec(head)?.[1];
      if (!head.startsWith('HTTP/1.1 200 ') || length === undefined) throw new Error(`the service answered ${head}`);
      this.#left = Number(length) - (bytes.length - end - 4);
    } else this.#left -= bytes.length;
    if (this.#left === 0) this.#answered();
  }

  close() {
    this.#answered = undefined;
    this.#socket.destroy();
  }
}

const connected = (port, count) => Promise.all(Array.from({ length: count }, () => Connection.open(port)));

/** As fast as so many clients can; requests a second. */
async function closedLoop({ port, request, count, clients }) {
  const connections = await connected(port, clients);
  const started = performance.now();
  let left = count;
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise((resolve, reject) => {
          const next = (error) => {
            if (error !== undefined) reject(error);
            else if (left-- > 0) connection.ask(request, next);
            else resolve();
          };
          next();
        }),
    ),
  );
  const perSecond = (1000 * count) / (performance.now() - started);
  for (const connection of connections) connection.close();
  return { perSecond };
}

/** A thread that tells the time more exactly than timers do: they have milliseconds. */
const CLOCK = `
  const { parentPort, workerData: { count, period } } = require('node:worker_threads');
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  let due = performance.now();
  for (let number = 0; number < count; number++) {
    Atomics.wait(sleeper, 0, 0, Math.max(0, due - performance.now()));
    parentPort.postMessage(number);
    // What it is late it makes up for slowly: requests that come close together would wait for each other.
    due = Math.max(due + period, performance.now() + 0.9 * period);
  }`;

/** At a steady rate, whatever the answers take. */
async function openLoop({ port, request, count, perSecond }) {
  const connections = await connected(port, CONNECTIONS_AT_HALF_LOAD);
  const idle = [...connections];
  const times = new Float64Array(count);
  const clock = new Worker(CLOCK, { eval: true, workerData: { count, period: 1000 / perSecond } });
  let started;
  await new Promise((resolve, reject) => {
    let answered = 0;
    clock.on('error', reject);
    clock.on('message', (number) => {
      const connection = idle.pop();
      if (connection === undefined) return reject(new Error(`more than ${CONNECTIONS_AT_HALF_LOAD} requests at once`));
      const now = performance.now();
      started ??= now;
      connection.ask(request, (error) => {
        times[number] = performance.now() - now;
        idle.push(connection);
        if (error !== undefined) reject(error);
        else if (++answered === count) resolve();
      });
    });
  });
  const elapsed = performance.now() - started;
  for (const connection of connections) connection.close();
  return { times: [...times], perSecond: (1000 * count) / elapsed };
}

try {
  // Its work is little; what it waited for a processor would count as the service's.
  setPriority(-20);
} catch {
  // Not allowed to: then it waits.
}
process.once('disconnect', () => process.exit());
process.on('message', async ({ body, ...load }) => {
  const request = Buffer.from(
    `POST /v1/evidence HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const run = load.perSecond === undefined ? closedLoop : openLoop;
  process.send(await run({ ...load, request }));
});
