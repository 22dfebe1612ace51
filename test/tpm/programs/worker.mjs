// A worker thread with several clients that decrypt without end or as often as asked.
import { parentPort, workerData } from 'node:worker_threads';
import { Client } from './client.mjs';

const { tcti, ciphertext, clients, rounds } = workerData;
const opened = Array.from({ length: clients }, () => new Client(tcti));
let correct = 0;
parentPort.postMessage('started');
await Promise.all(
  opened.map(async (client) => {
    for (let i = 0; i < rounds; i++) {
      const plaintext = await client.decrypt(ciphertext);
      if (plaintext.toString() === workerData.message) correct++;
    }
  }),
);
await Promise.all(opened.map((client) => client.close()));
parentPort.postMessage(correct);
