// Whether a failed decryption shows by its time why it failed: wrong padding of the wrapped key, a key that is not the
// content's, or changed content. Measured on a simulated machine, in turn; the differences of medians are compared with what
// half of the runs differ among themselves.
//
//   node scripts/decrypt-failures.mjs [ROUNDS, default 300]
import { constants, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto';
import { startSimulatedCvm } from '../bench/_simulated-cvm.mjs';
import { AttestationClient, encrypt } from '../dist/index.js';

const rounds = Number(process.argv[2] ?? 300);
const cvm = await startSimulatedCvm();
const client = new AttestationClient(cvm.facts);
try {
  const token = await client.attest({ attestationUrl: cvm.facts.attestationUrl });
  const { encryptedData, encryptionMetadata } = await encrypt(token, randomBytes(1_000));
  const metadata = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString());
  const withKey = (block) => {
    const changed = { ...metadata, encrypted_key: block.toString('base64url') };
    return { data: encryptedData, metadata: Buffer.from(Buffer.from(JSON.stringify(changed)).toString('base64')) };
  };
  const changedData = Buffer.from(encryptedData);
  changedData[0] ^= 1;
  const jwk = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())['x-ms-runtime'].keys.find(
    ({ kid }) => kid === 'TpmEphemeralEncryptionKey',
  );
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' });
  const wrap = (bytes) => publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }, bytes);
  const cases = {
    'wrong padding': withKey(Buffer.concat([Buffer.alloc(1), randomBytes(255)])),
    'another key': withKey(wrap(randomBytes(32))),
    'a key of another length': withKey(wrap(randomBytes(16))),
    'changed content': { data: changedData, metadata: encryptionMetadata },
  };
  const times = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
  for (let i = 0; i < rounds; i++) {
    for (const [name, { data, metadata: sent }] of Object.entries(cases)) {
      const started = process.hrtime.bigint();
      await client.decrypt(data, { encryptionMetadata: sent }).catch(() => {});
      times[name].push(Number(process.hrtime.bigint() - started) / 1e6);
    }
  }
  const at = (sorted, part) => sorted[Math.floor(sorted.length * part)].toFixed(2);
  for (const [name, values] of Object.entries(times)) {
    const sorted = values.sort((a, b) => a - b);
    console.log(
      `${name.padEnd(24)} median ${at(sorted, 0.5)} ms, half of the runs ${at(sorted, 0.25)}–${at(sorted, 0.75)} ms`,
    );
  }
} finally {
  await client.close();
  await cvm.stop();
}
