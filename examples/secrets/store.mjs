// A service that keeps notes encrypted, under a data key that only the key of the vault opens. It knows nothing of
// attestation: it finds its key in the file that STORE_KEY_FILE names, and reads it again on SIGHUP.
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = process.env.STORE_FOLDER ?? mkdtempSync(join(tmpdir(), 'store-'));
const dataKeyFile = join(folder, 'data-key');
const oaep = (key) => ({ key, oaepHash: 'sha256' });

/** The data key: made at the first start, and wrapped to the key of the vault ever since. */
function openDataKey() {
  const vaultKey = createPrivateKey(readFileSync(process.env.STORE_KEY_FILE));
  if (!existsSync(dataKeyFile)) {
    writeFileSync(dataKeyFile, publicEncrypt(oaep(createPublicKey(vaultKey)), randomBytes(32)));
  }
  return privateDecrypt(oaep(vaultKey), readFileSync(dataKeyFile));
}

function seal(key, text) {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function open(key, sealed) {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]).toString('utf8');
}

let dataKey = openDataKey();
process.on('SIGHUP', () => {
  dataKey = openDataKey();
  console.log('key read again');
});

const note = join(folder, 'note');
writeFileSync(note, seal(dataKey, 'only this machine can read this'));
console.log(`on disk: ${readFileSync(note).toString('hex').slice(0, 32)}…`);
console.log(`read back: ${open(dataKey, readFileSync(note))}`);
if (process.env.STORE_FOLDER === undefined) rmSync(folder, { recursive: true });
