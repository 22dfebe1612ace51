// Decrypts, frees, closes, and looks for what must be gone in the whole writable memory of this process. The secrets are made
// in another process, and come here inverted (every byte XOR 0xff): this process never holds them but by decrypting.
import { fork } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const self = fileURLToPath(import.meta.url);
if (process.argv[2] === 'other') await otherProcess();
else await scanned();

/** The simulated machine, the sender, and whoever knows the secrets. */
async function otherProcess() {
  const { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } = await import('node:crypto');
  const { SimulatedCvm } = await import('../../../dist/simulator/index.js');
  const { encrypt } = await import('../../../dist/index.js');
  const cvm = await SimulatedCvm.start();
  const client = cvm.client();
  const token = await client.attest({ attestationUrl: cvm.attestationUrl });
  const secrets = { envelope: randomBytes(48), block: randomBytes(48), contentKey: randomBytes(32) };
  const block = await encrypt(token, secrets.block, { type: 'None' });
  // A JWE by hand, so that its content key is known.
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  const jwk = claims['x-ms-runtime'].keys.find(({ kid }) => kid === 'TpmEphemeralEncryptionKey');
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const wrapped = publicEncrypt({ key, padding, oaepHash: 'sha256' }, secrets.contentKey);
  const header = Buffer.from(JSON.stringify({ alg: 'RSA-OAEP-256', enc: 'A256GCM' })).toString('base64url');
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', secrets.contentKey, iv).setAAD(Buffer.from(header));
  const ciphertext = Buffer.concat([cipher.update(secrets.envelope), cipher.final()]);
  const parts = [wrapped, iv, ciphertext, cipher.getAuthTag()].map((part) => part.toString('base64url'));
  const inverted = (bytes) => Buffer.from(bytes.map((byte) => byte ^ 0xff)).toString('hex');
  const { tcti, imdsUrl, eventLogPath, osReleasePath } = cvm;
  process.send({
    wiring: { tcti, imdsUrl, eventLogPath, osReleasePath },
    jwe: [header, ...parts].join('.'),
    block: block.encryptedData.toString('base64'),
    needles: {
      'plaintext of an envelope': inverted(secrets.envelope),
      'plaintext of a block': inverted(secrets.block),
      'content key': inverted(secrets.contentKey),
    },
  });
  process.once('message', async () => {
    await client.close();
    await cvm.stop();
    process.disconnect();
  });
}

async function scanned() {
  const child = fork(self, ['other'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const { wiring, jwe, block, needles } = await new Promise((resolve) => child.once('message', resolve));
  const { AttestationClient } = await import('../../../dist/index.js');
  const client = new AttestationClient(wiring);
  const opened = await client.decryptJwe(jwe);
  const plain = await client.decrypt(Buffer.from(block, 'base64'), { type: 'None' });
  const before = scan(needles);
  client.free(opened);
  client.free(plain);
  await client.close();
  globalThis.gc?.();
  const after = scan(needles);
  child.send('stop');
  const result = {};
  for (const name of Object.keys(needles)) {
    result[name] = { before: before.found[name], after: after.found[name], scannedMiB: after.mebibytes };
  }
  console.log(JSON.stringify(result));
}

/** How often each needle occurs in the writable mappings. The window that is searched is searched inverted. */
function scan(needles) {
  const found = Object.fromEntries(Object.keys(needles).map((name) => [name, 0]));
  const wanted = Object.entries(needles).map(([name, hex]) => [name, Buffer.from(hex, 'hex')]);
  const memory = openSync('/proc/self/mem', 'r');
  const size = 1 << 20;
  // Outside of V8's heap, and not searched itself: it would be found as what was read into it.
  const window = Buffer.allocUnsafeSlow(size + 64);
  let total = 0;
  for (const line of readFileSync('/proc/self/maps', 'latin1').split('\n')) {
    const [, from, to, name = ''] = /^([0-9a-f]+)-([0-9a-f]+) rw.. \S+ \S+ \d+ *(.*)$/.exec(line) ?? [];
    if (from === undefined || name === '[vvar]') continue;
    const start = Number.parseInt(from, 16);
    const end = Number.parseInt(to, 16);
    for (let at = start; at < end; at += size) {
      const length = Math.min(size + 64, end - at);
      let read = 0;
      try {
        read = readSync(memory, window, 0, length, at);
      } catch {
        continue; // A guard page, or a mapping that has gone.
      }
      total += read;
      const view = window.subarray(0, read);
      // Inverted at once: the plain bytes of a page never stay behind in the window.
      for (let i = 0; i < read; i++) view[i] ^= 0xff;
      for (const [label, needle] of wanted) {
        for (let hit = view.indexOf(needle); hit !== -1 && hit < size; hit = view.indexOf(needle, hit + 1))
          found[label]++;
      }
    }
  }
  window.fill(0);
  closeSync(memory);
  return { found, mebibytes: Math.round(total / 2 ** 20) };
}
