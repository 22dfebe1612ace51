// A thread of scripts/soak.mjs: several clients, mixed calls, each outcome compared with what is documented.
import { randomBytes } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { AttestationClient, createEncryptor } from '../dist/index.js';

const { attestationUrl, wiring, token, message, envelope, block, clients, calls, leave } = workerData;
const expected = Buffer.from(message);
const unknownBlock = Buffer.concat([Buffer.alloc(1), randomBytes(255)]);
const REPORT_EVERY = 25;

/** Out of 20 calls; each says how it must end: 0 for success, else a code. */
const mixture = [
  ...repeated(8, 'decrypt, envelope', 0, async (client) => {
    const { encryptedData, encryptionMetadata } = envelope;
    matches(client, await client.decrypt(encryptedData, { encryptionMetadata }), expected);
  }),
  ...repeated(4, 'decrypt, one block', 0, async (client) => {
    matches(client, await client.decrypt(block.encryptedData, { type: 'None' }), expected.subarray(0, 100));
  }),
  ...repeated(2, 'decrypt, foreign block', 26, (client) => client.decrypt(unknownBlock, { type: 'None' })),
  ...repeated(1, 'decrypt, changed envelope', 26, (client) => {
    const changed = Buffer.from(envelope.encryptedData);
    changed[0] ^= 1;
    return client.decrypt(changed, { encryptionMetadata: envelope.encryptionMetadata });
  }),
  ...repeated(2, 'encrypt', 0, (client) => client.encrypt(token, expected)),
  ...repeated(1, 'session of 3 messages', 0, async (client) => {
    const encryptor = createEncryptor(token);
    const decryptor = await client.createDecryptor(encryptor.metadata);
    for (let i = 0; i < 3; i++) matches(client, decryptor.decrypt(encryptor.encrypt(expected)), expected);
    decryptor.close();
    encryptor.close();
  }),
  ...repeated(1, 'getEvidence', 0, (client) => client.getEvidence({ nonce: randomBytes(32) })),
  ...repeated(1, 'attest', 0, (client) => client.attest({ attestationUrl })),
];

let counts = {};
let failures = [];
let since = 0;
let next = Math.floor(Math.random() * mixture.length);
parentPort.postMessage({ counts: {}, failures: [] });
if (leave) {
  // Ends with the calls below in progress: nobody closes anything.
  setTimeout(() => process.exit(0), 5 + Math.random() * 40);
}
await Promise.all(
  Array.from({ length: clients }, async (_, index) => {
    const client = new AttestationClient(wiring);
    const share = Math.floor(calls / clients) + (index < calls % clients ? 1 : 0);
    for (let i = 0; i < share; i++) await one(client, mixture[next++ % mixture.length]);
    await client.close();
  }),
);
flush();

async function one(client, { name, code, run }) {
  const ended = await run(client).then(
    () => 0,
    (error) => error.code ?? String(error),
  );
  const outcome = ended === 0 ? `${name}: success` : `${name}: code ${ended}`;
  counts[outcome] = (counts[outcome] ?? 0) + 1;
  if (ended !== code) failures.push(`${outcome}, not ${code}`);
  if (++since >= REPORT_EVERY) flush();
}

function flush() {
  globalThis.gc?.();
  parentPort.postMessage({ counts, failures });
  counts = {};
  failures = [];
  since = 0;
}

function matches(client, plaintext, wanted) {
  if (!plaintext.equals(wanted)) throw new Error('wrong plaintext');
  client.free(plaintext);
}

function repeated(times, name, code, run) {
  return Array.from({ length: times }, () => ({ name, code, run }));
}
