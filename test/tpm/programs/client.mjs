// Uses the addon without the rest of the library, because a worker thread cannot run TypeScript.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const { TpmClient } = require('node-gyp-build')(fileURLToPath(new URL('../../..', import.meta.url)));

const SHA256 = 0x000b;
const OAEP = 0x0017;
const PCRS = 0xff;
const ZEROS = 0; // in `unique` of the key's template

export class Client {
  #native;
  #job = 0;

  constructor(tcti) {
    this.#native = new TpmClient(tcti, 30_000);
  }

  readPcrs() {
    return this.#native.readPcrs(++this.#job, SHA256, PCRS);
  }

  decrypt(ciphertext) {
    return this.#native.rsaDecrypt(++this.#job, ciphertext, PCRS, ZEROS, OAEP, SHA256, new Uint8Array());
  }

  close() {
    return this.#native.close();
  }
}
