// What an attested channel costs beside TLS: connections to a machine that is remembered, the first connection to one, and
// requests over a connection that stands. Server and simulated machine are in processes of their own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { AttestationClient, evidenceFromJson, verifyEvidence } from '../dist/index.js';
import { connectAttested } from '../dist/relying-party/index.js';
import { startSimulatedCvm } from './_simulated-cvm.mjs';
import { compare, median } from './measure.mjs';

const self = fileURLToPath(import.meta.url);
const FIRST_CONNECTIONS = 101;
const HOST = '127.0.0.1';

export async function run() {
  const cvm = await startSimulatedCvm();
  const demands = await cvm.call('demands');
  const server = fork(self, ['serve', JSON.stringify(cvm.wiring)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ attested, plain }] = await once(server, 'message');
  const client = new AttestationClient(cvm.wiring);
  try {
    return {
      title: 'Attested channel beside node:tls and node:https',
      rows: [
        await remembered(attested, plain, demands),
        await first(attested, plain, demands, client),
        await requests(attested, plain, demands),
      ],
    };
  } finally {
    server.disconnect();
    await client.close();
    await cvm.stop();
  }
}

const dialling = (port, demands) => ({ host: HOST, port, tls: { rejectUnauthorized: false }, ...demands });

async function plainTls(port) {
  const socket = connectTls({
    host: HOST,
    port,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['http/1.1'],
  });
  await once(socket, 'secureConnect');
  return socket;
}

async function remembered(attested, plain, demands) {
  const options = dialling(attested, demands);
  await connectAttested(options).then((socket) => socket.destroy());
  const { timings, measure } = await compare({
    attested: async () => (await connectAttested(options)).destroy(),
    tls: async () => (await plainTls(plain)).destroy(),
  });
  return {
    question: 'connections to a remembered machine against node:tls with the same keys',
    ...measure('attested', 'tls'),
    atLeast: 0.9,
    details: `${timings.attested.median.toFixed(0)}/s against ${timings.tls.median.toFixed(0)}/s`,
  };
}

/** One connection after the other, each under demands that nothing remembered can meet. */
async function first(attested, plain, demands, client) {
  const certificates = (await client.getEvidence()).certificates;
  const times = { attested: [], parts: [] };
  for (let round = 0; round < FIRST_CONNECTIONS; round++) {
    const options = dialling(attested, { ...demands, maxAge: 600_000 - round });
    let begin = performance.now();
    (await connectAttested(options)).destroy();
    times.attested.push(performance.now() - begin);

    begin = performance.now();
    (await plainTls(plain)).destroy();
    let spent = performance.now() - begin;
    // The quote alone: PCRs and TPM2_Quote. With more of them than 0–6 the ephemeral key would be certified as well.
    const quote = { nonce: Buffer.alloc(32, round), certificates, pcrs: [0, 1, 2, 3, 4, 5, 6, ...range(8, 24)] };
    begin = performance.now();
    const evidence = await client.getEvidence(quote);
    spent += performance.now() - begin;
    const read = evidenceFromJson(JSON.stringify(evidence));
    begin = performance.now();
    await verifyEvidence(read, { ...demands, nonce: quote.nonce });
    times.parts.push(spent + performance.now() - begin);
  }
  const whole = median(times.attested);
  const parts = median(times.parts);
  return {
    question: 'the first connection to a machine against handshake, evidence and verification alone',
    ratio: median(times.attested.map((time, round) => time / times.parts[round])),
    atMost: 1.15,
    details: `${whole.toFixed(1)} ms against ${parts.toFixed(1)} ms`,
  };
}

async function requests(attested, plain, demands) {
  const socket = await connectAttested(dialling(attested, demands));
  const over = new Agent({ keepAlive: true, maxSockets: 1 });
  over.createConnection = () => socket;
  const beside = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  const { timings, measure } = await compare({ attested: () => ask(over, attested), https: () => ask(beside, plain) });
  over.destroy();
  beside.destroy();
  return {
    question: 'requests over an established connection against node:https',
    ...measure('attested', 'https'),
    atLeast: 0.95,
    details: `${timings.attested.median.toFixed(0)}/s against ${timings.https.median.toFixed(0)}/s`,
  };
}

async function ask(agent, port) {
  const sent = request({ host: HOST, port, agent });
  sent.end();
  const [answer] = await once(sent, 'response');
  answer.resume();
  await once(answer, 'end');
}

const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

if (process.argv[1] === self && process.argv[2] === 'serve') {
  const { attestedServer } = await import('../dist/relying-party/index.js');
  const { makeOwnCertificate } = await import('../build/modules/relying-party/channel/own-certificate.js');
  const { createServer } = await import('node:https');
  const client = new AttestationClient(JSON.parse(process.argv[3]));
  const hello = (_, response) => response.end('hello');
  const attested = attestedServer({ client, maxQuotesPerSecond: 1000 }, hello);
  const plain = createServer({ ...makeOwnCertificate(), minVersion: 'TLSv1.3' }, hello);
  for (const server of [attested, plain]) {
    server.keepAliveTimeout = 60_000;
    await new Promise((resolve) => server.listen(0, HOST, resolve));
  }
  process.send({ attested: attested.address().port, plain: plain.address().port });
  process.once('disconnect', () => client.close().then(() => process.exit(0)));
}
