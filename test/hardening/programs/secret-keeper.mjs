// A guest that does what it is told and keeps what it gets until it is told to let go. Whoever tells it looks through its
// memory meanwhile. Only ciphertexts come in; plaintexts of its own are random, and are zeroed before it tells what it made
// of them.
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { AttestationClient, createEncryptor, createEncryptStream, encrypt, encryptJwe } from '../../../dist/index.js';

/** Plaintexts to free and things to close. */
const plaintexts = [];
const open = [];
let client;
let cached;
let guarded;

const keep = (plaintext) => void plaintexts.push(plaintext);

const operations = {
  start(wiring) {
    client = new AttestationClient(wiring);
    cached = new AttestationClient({ ...wiring, keyCache: { maxAgeMs: 600_000 } });
    guarded = new AttestationClient({ ...wiring, parameterEncryption: true });
  },

  async decryptJwe({ jwe }) {
    keep(await client.decryptJwe(jwe));
  },
  async decryptProtected({ jwe }) {
    keep(await guarded.decryptJwe(jwe));
  },
  async decryptJweWithCache({ jwe }) {
    keep(await cached.decryptJwe(jwe));
  },
  async decryptBlock({ block, scheme }) {
    keep(await client.decrypt(block, { type: 'None', scheme }));
  },
  async decryptEnvelope({ data, metadata, threads }) {
    keep(await client.decrypt(data, { encryptionMetadata: metadata, ...(threads !== undefined && { threads }) }));
  },
  async decryptSession({ metadata, one, large, many }) {
    const decryptor = await client.createDecryptor(metadata);
    open.push(decryptor);
    keep(decryptor.decrypt(one));
    keep(await decryptor.decryptAsync(large));
    for (const message of decryptor.decryptMany(many)) keep(message);
    keep(
      (
        await decryptor.decryptPacked(
          Buffer.concat(many),
          many.map(({ length }) => length),
        )
      ).packed,
    );
  },
  /** Feeds a part of a stream, and stops in the middle. */
  async decryptStreamInPart({ sealed, upTo }) {
    const pieces = client.decryptChunks([sealed.subarray(0, upTo), sealed.subarray(upTo)]);
    keep((await pieces.next()).value);
    open.push({ close: () => pieces.return() });
  },
  async decryptStream({ sealed }) {
    for await (const piece of client.decryptChunks([sealed])) keep(piece);
  },
  /** Everything is decrypted and lies in the stream's queue when it is destroyed. */
  async destroyStream({ sealed }) {
    const stream = client.createDecryptStream();
    stream.write(sealed);
    while (stream.readableLength < 40_000) await new Promise((resolve) => setTimeout(resolve, 5));
    stream.destroy();
    await once(stream, 'close');
  },
  async openFile({ sealed }) {
    const all = sealed;
    const source = {
      read: async (buffer, offset, length, position) => ({
        bytesRead: all.copy(buffer, offset, position, position + length),
      }),
      stat: async () => ({ size: all.length }),
    };
    const file = await client.openRandomAccess(source);
    open.push(file);
    keep(await file.readRange(10, 20_000));
  },

  async encryptOnce({ token, size }) {
    const plaintext = randomFillSync(Buffer.allocUnsafeSlow(size));
    const { encryptedData, encryptionMetadata } = await encrypt(token, plaintext);
    const jwe = await encryptJwe(token, plaintext);
    plaintext.fill(0);
    return { data: encryptedData, metadata: encryptionMetadata, jwe };
  },
  encryptSession({ token }) {
    const encryptor = createEncryptor(token);
    open.push(encryptor);
    const plaintext = randomFillSync(Buffer.allocUnsafeSlow(64));
    const message = encryptor.encrypt(plaintext);
    plaintext.fill(0);
    return { metadata: encryptor.metadata, message };
  },
  wrapOften({ token, times }) {
    return Array.from({ length: times }, () => {
      const encryptor = createEncryptor(token);
      encryptor.close();
      return encryptor.metadata;
    });
  },
  /** Less than a chunk goes in, so that the stream holds it. */
  async encryptStreamInPart({ token }) {
    const stream = createEncryptStream(token);
    open.push({ close: () => stream.destroy() });
    const plaintext = randomFillSync(Buffer.allocUnsafeSlow(1_000));
    stream.write(plaintext);
    const [header] = await once(stream, 'data');
    plaintext.fill(0);
    return { header: header };
  },

  async attest({ url }) {
    await client.attest({ attestationUrl: url });
  },

  /** What must fail, in each way that there is to open it. */
  async fail({ jwe, data, metadata, block, session, message, sealed }) {
    const calls = [
      jwe && (() => client.decryptJwe(jwe)),
      data && (() => client.decrypt(data, { encryptionMetadata: metadata })),
      block && (() => client.decrypt(block, { type: 'None' })),
      message &&
        (async () => {
          const decryptor = await client.createDecryptor(session);
          try {
            const attempts = [
              async () => decryptor.decrypt(message),
              () => decryptor.decryptAsync(message),
              async () => decryptor.decryptMany([message, message]),
              () => decryptor.decryptPacked(message, [message.length]),
            ];
            for (const attempt of attempts) await mustFail(attempt);
          } finally {
            decryptor.close();
          }
          throw new Error('failed as it must');
        }),
      sealed &&
        (async () => {
          for await (const piece of client.decryptChunks([sealed])) piece.fill(0);
        }),
    ];
    for (const call of calls.filter(Boolean)) await mustFail(call);
  },
  /** The TPM is at it when the signal comes. */
  async abort({ jwe, block }) {
    for (const call of [
      (signal) => client.decryptJwe(jwe, { signal }),
      (signal) => client.decrypt(block, { type: 'None', signal }),
    ]) {
      await mustFail(() => call(AbortSignal.timeout(50)));
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  },
  async closeMeanwhile({ wiring, jwe }) {
    const other = new AttestationClient(wiring);
    const call = other.decryptJwe(jwe).then(
      (plaintext) => other.free(plaintext),
      () => {},
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    await other.close();
    await call;
  },
  /** Nobody closes it. */
  async forget(input) {
    await openAndForget(input);
    // In a turn of its own, when nothing on the stack refers to it any more.
    setTimeout(() => globalThis.gc());
    await new Promise((resolve) => setTimeout(resolve, 50));
  },
  async terminateWorker({ wiring, metadata }) {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { wiring, metadata } });
    await once(worker, 'message');
    await worker.terminate();
  },

  async release() {
    for (const plaintext of plaintexts.splice(0)) client.free(plaintext);
    for (const each of open.splice(0)) await each.close();
    for (const each of [client, cached, guarded]) await each.close();
  },
};

async function openAndForget({ metadata, message }) {
  const decryptor = await client.createDecryptor(metadata);
  client.free(decryptor.decrypt(message));
}

async function mustFail(call) {
  const failed = await Promise.resolve()
    .then(call)
    .then(
      () => false,
      () => true,
    );
  if (!failed) throw new Error('the call should have failed');
}

if (isMainThread) {
  process.on('message', async ({ operation, input }) => {
    try {
      process.send({ result: (await operations[operation](input)) ?? null });
    } catch (error) {
      process.send({ error: `${operation}: ${error.stack}` });
    }
  });
} else {
  const decryptor = await new AttestationClient(workerData.wiring).createDecryptor(workerData.metadata);
  parentPort.postMessage(decryptor.overhead);
}
