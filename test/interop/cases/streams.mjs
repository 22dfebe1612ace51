import { randomBytes } from 'node:crypto';
import { CompactEncrypt, compactDecrypt, exportJWK, generateKeyPair, importJWK } from 'jose';
import { encryptChunks } from '../../../dist/index.js';
import { crateVersion, folder, here, installers, pythonPath, pythonVersion } from '../install.mjs';
import { tokenWithKey } from '../machines.mjs';
import { Witness } from '../witness.mjs';

const alg = 'RSA-OAEP-256';
const additionalData = Buffer.from('interoperability');
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
/** Around the size of a chunk, 16 KiB, where the last one may be empty. */
const sizes = [0, 1, 16383, 16384, 16385, 100_000];

/** Others' C2SP chunked encryption: sealed streams both ways. jose opens and makes the JWE in front of them. */
export async function judgeStreams(results, machines) {
  const machine = machines.milan;
  const client = machine.client();
  try {
    const token = await client.attest({ attestationUrl: machine.attestationUrl });
    const crate = await crateVersion('witness-rust', 'cobblestone');
    await judge(results, client, token, 'cobblestone (crate)', crate, await installers.rust(), () => [
      `${folder}cargo/release/witness`,
    ]);
    const missing = await installers.python();
    const version = missing ? '' : await pythonVersion('cryptography');
    await judge(results, client, token, 'pyca/cryptography', version, missing, () => [
      'python3',
      [`${here}witness-python/witness.py`],
      pythonPath,
    ]);
  } finally {
    await client.close();
  }
}

async function judge(results, client, token, name, version, missing, command) {
  if (missing) return results.skip(name, version, 'both', 'streams', missing);
  const witness = new Witness(...command());
  await results.run(name, version, 'our ciphertext → theirs', 'opens our streams, and no changed one', async () => {
    const { privateKey, publicKey } = await generateKeyPair(alg);
    const target = tokenWithKey(token, await exportJWK(publicKey));
    for (const size of sizes) {
      const plaintext = randomBytes(size);
      const sealed = await bytesOf(encryptChunks(target, [plaintext], { additionalData }));
      const { header, jwe, ciphertext } = partsOf(sealed);
      const { plaintext: key } = await compactDecrypt(jwe, privateKey);
      const request = { op: 'stream-open', key: base64(key), context: base64(contextOf(header)) };
      const open = (bytes) => witness.ask({ ...request, ciphertext: base64(bytes) });
      expectOpened(await open(ciphertext), plaintext);
      const changed = Buffer.from(ciphertext);
      changed[changed.length - 1] ^= 1;
      if ((await open(changed)).ok) throw new Error(`opens a changed stream of ${size} bytes`);
      if ((await open(ciphertext.subarray(0, -17))).ok) throw new Error(`opens a cut stream of ${size} bytes`);
    }
  });
  await results.run(
    name,
    version,
    'their ciphertext → ours',
    'the TPM opens its streams, and no changed one',
    async () => {
      const [, payload] = token.split('.');
      const jwk = JSON.parse(Buffer.from(payload, 'base64url').toString())['x-ms-runtime'].keys[0];
      const recipient = await importJWK({ kty: 'RSA', n: jwk.n, e: jwk.e }, alg);
      for (const size of sizes) {
        const [plaintext, key] = [randomBytes(size), randomBytes(32)];
        const header = headerOf(
          await new CompactEncrypt(key)
            .setProtectedHeader({ alg, enc: 'A256GCM', typ: 'cvm-stream+jwe' })
            .encrypt(recipient),
        );
        const request = { op: 'stream-seal', key: base64(key), context: base64(contextOf(header)) };
        const answer = await witness.ask({ ...request, plaintext: base64(plaintext) });
        if (!answer.ok) throw new Error(answer.error);
        const sealed = Buffer.concat([header, Buffer.from(answer.ciphertext, 'base64')]);
        const open = (bytes) => bytesOf(client.decryptChunks([bytes], { additionalData }));
        if (!plaintext.equals(await open(sealed))) throw new Error('opens to something else');
        sealed[sealed.length - 1] ^= 1;
        const opened = await open(sealed).catch(() => undefined);
        if (opened) throw new Error(`opens a changed stream of ${size} bytes`);
      }
    },
  );
  await witness.stop();
}

async function bytesOf(chunks) {
  const pieces = [];
  for await (const piece of chunks) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/** A sealed stream (docs/encryption.md, section "Formats"): magic, version, length and JWE, then the C2SP ciphertext. */
function partsOf(sealed) {
  const end = 10 + sealed.readUInt16BE(8);
  const header = sealed.subarray(0, end);
  return { header, jwe: header.subarray(10).toString('latin1'), ciphertext: sealed.subarray(end) };
}

function headerOf(jwe) {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(jwe.length);
  return Buffer.concat([Buffer.from('CVMSEAL\x01', 'latin1'), size, Buffer.from(jwe, 'latin1')]);
}

const contextOf = (header) => Buffer.concat([header, additionalData]);

function expectOpened(answer, plaintext) {
  if (!answer.ok) throw new Error(answer.error);
  if (!plaintext.equals(Buffer.from(answer.plaintext, 'base64'))) throw new Error('opens to something else');
}
