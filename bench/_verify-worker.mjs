// Verifies one SNP report over and over in a worker thread, for as long as it is told to.
import { parentPort, workerData } from 'node:worker_threads';
import { explainSnpReport } from '../dist/index.js';

const { report, certificates, now } = workerData;
await explainSnpReport(report, certificates, { now });
parentPort.on('message', async (milliseconds) => {
  const end = performance.now() + milliseconds;
  let count = 0;
  for (; performance.now() < end; count++) await explainSnpReport(report, certificates, { now });
  parentPort.postMessage(count);
});
parentPort.postMessage('ready');
