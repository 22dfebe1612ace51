// One message of 64 MiB: against libcrypto's own loop, on one core and on all, and against node:crypto.
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto';
import { decryptEnvelope, encryptEnvelope, KeyCache } from '../build/modules/envelope/index.js';
import { gigabytes, softwareKey, verify } from './_key.mjs';
import { compare } from './measure.mjs';

const SIZE = 64 * 1024 * 1024;

/** @param evp two programs, so that the one that opens need not seal again */
export async function bulkRows(evp, evpOpen) {
  const key = softwareKey();
  const data = randomFillSync(Buffer.alloc(SIZE));
  const output = Buffer.alloc(SIZE, 1);
  const nodeOutput = { current: undefined };
  // With a cache the private RSA operation, which is the TPM's on a guest, is not part of what is measured.
  const options = { output, keyCache: new KeyCache() };

  const nodeKey = randomBytes(32);
  const nodeIv = randomBytes(12);
  const nodeSeal = () => {
    const cipher = createCipheriv('aes-256-gcm', nodeKey, nodeIv);
    const sealed = cipher.update(data);
    cipher.final();
    nodeOutput.current = { sealed, tag: cipher.getAuthTag() };
  };

  const sealed = await encryptEnvelope(key.token, data);
  await checkAgainstNode(key, data, sealed);
  const { encryptedData, encryptionMetadata } = sealed;
  const open = (threads) => decryptEnvelope(encryptedData, encryptionMetadata, key.unwrap, { ...options, threads });
  verify((await open(2)).equals(data) && (await open(1)).equals(data), 'the envelope opens');

  const both = () => encryptEnvelope(key.token, data, { output });
  const bare = await compare(
    {
      evpSeal: () => evp.ask(`seal ${SIZE} 1`),
      one: () => encryptEnvelope(key.token, data, { output, threads: 1 }),
      both,
      evpOpen: () => evpOpen.ask(`open ${SIZE} 1`),
      oneOpen: () => open(1),
      bothOpen: () => open(undefined),
    },
    { rounds: 15, roundMs: 100 },
  );
  // Apart from the others and in long rounds: what one of these leaves to the garbage collector is unmapped while the next
  // one runs.
  const fresh = await compare(
    { both, fresh: () => encryptEnvelope(key.token, data), node: nodeSeal },
    { rounds: 9, roundMs: 500 },
  );
  const decipher = createDecipheriv('aes-256-gcm', nodeKey, nodeIv).setAuthTag(nodeOutput.current.tag);
  verify(decipher.update(nodeOutput.current.sealed).equals(data) && decipher.final(), 'node:crypto did its work');

  const row = ({ timings, ratio }, question, of, to, target) => ({
    question,
    ratio: ratio(of, to),
    atLeast: target,
    details: `${gigabytes(timings[of].median * SIZE)} against ${gigabytes(timings[to].median * SIZE)}`,
  });
  return [
    row(
      bare,
      '64 MiB encrypted into memory of the caller, one thread, against a bare EVP loop',
      'one',
      'evpSeal',
      0.95,
    ),
    row(bare, '64 MiB decrypted, the same', 'oneOpen', 'evpOpen', 0.95),
    row(bare, '64 MiB encrypted, both cores against one', 'both', 'one', 1.8),
    row(bare, '64 MiB decrypted, both cores against one', 'bothOpen', 'oneOpen', 1.8),
    row(fresh, '64 MiB encrypted into a new Buffer, both cores, against createCipheriv', 'fresh', 'node', 3),
    row(fresh, '64 MiB encrypted into memory of the caller, both cores, against createCipheriv', 'both', 'node', 7),
  ];
}

async function checkAgainstNode(key, data, { encryptedData, encryptionMetadata }) {
  const members = JSON.parse(Buffer.from(encryptionMetadata.toString(), 'base64').toString());
  const contentKey = await key.unwrap(Buffer.from(members.encrypted_key, 'base64url'));
  const decipher = createDecipheriv('aes-256-gcm', contentKey, Buffer.from(members.iv, 'base64url'));
  decipher.setAAD(Buffer.from(members.protected)).setAuthTag(Buffer.from(members.tag, 'base64url'));
  const plain = decipher.update(encryptedData);
  decipher.final();
  verify(plain.equals(data), 'node:crypto opens the envelope');
}
