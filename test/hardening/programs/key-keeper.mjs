// A guest that has keys released and secrets unprotected as it is told, and keeps them until it is told to let go. Whoever
// tells it looks through its memory meanwhile.
import { sign } from 'node:crypto';
import { AttestationClient } from '../../../dist/index.js';

let client;
let key;
let keyObject;
let secret;
let wiring;

const operations = {
  start(options) {
    wiring = options.wiring;
    client = new AttestationClient(options.client);
  },
  async release({ keyName }) {
    key = await client.releaseKey({ ...wiring, keyName });
    sign('sha256', Buffer.from('used'), key.keyObject);
  },
  async refuse({ keyName }) {
    const refused = await client.releaseKey({ ...wiring, keyName }).then(
      (released) => released.free(),
      (error) => error.code,
    );
    if (refused === undefined) throw new Error('the key should have been refused');
  },
  export() {
    if (key.keyType === 'oct') key.raw();
    else key.pkcs8();
  },
  /** The KeyObject stays in use. */
  free() {
    keyObject = key.keyObject;
    key.free();
    key = undefined;
    sign('sha256', Buffer.from('used'), keyObject);
  },
  async collect() {
    keyObject = undefined;
    await collected();
  },
  /** Nobody frees it. */
  async forget({ keyName }) {
    await releaseAndForget(keyName);
    await collected();
  },
  async unprotect({ token }) {
    secret = await client.unprotectSecret(token);
  },
  freeSecret() {
    client.free(secret);
  },
  async close() {
    await client.close();
    await collected();
  },
};

async function releaseAndForget(keyName) {
  const released = await client.releaseKey({ ...wiring, keyName });
  released.pkcs8();
}

/** In turns of their own, when nothing on the stack refers to it any more; finalizers run after that. */
async function collected() {
  for (let turn = 0; turn < 4; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc();
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}

process.on('message', async ({ operation, input }) => {
  try {
    process.send({ result: (await operations[operation](input)) ?? null });
  } catch (error) {
    process.send({ error: `${operation}: ${error.stack}` });
  }
});
