import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

/**
 * Environment variable that names a folder to keep generated keys in, so that a suite of processes generates each
 * slow RSA key once. The keys sign nothing but simulated evidence.
 */
export const keyFolderVariable = 'CVM_SIMULATOR_KEYS';

const generate = promisify(generateKeyPair);
const pool = new Map<string, Promise<KeyPair>>();

/**
 * The RSA key pair of this name: generated once in a process (RSA-4096 takes seconds), shared by all simulated CVMs.
 *
 * Two calls with different names never get the same key.
 */
export function pooledRsaKeyPair(name: string, modulusLength: 2048 | 4096): Promise<KeyPair> {
  const id = `${name}-${modulusLength}`.replace(/[^\w-]/g, '_');
  const known = pool.get(id);
  if (known) return known;
  const made = makeOrLoad(id, modulusLength);
  pool.set(id, made);
  made.catch(() => pool.delete(id));
  return made;
}

async function makeOrLoad(id: string, modulusLength: number): Promise<KeyPair> {
  const folder = process.env[keyFolderVariable];
  if (!folder) return generate('rsa', { modulusLength });
  const path = join(folder, `${id}.pem`);
  return (await load(path)) ?? (await makeAndKeep(path, modulusLength));
}

async function load(path: string): Promise<KeyPair | undefined> {
  const pem = await readFile(path, 'utf8').catch(() => undefined);
  if (pem === undefined) return undefined;
  const privateKey = createPrivateKey(pem);
  return { privateKey, publicKey: createPublicKey(privateKey) };
}

/** Of two processes that generate the same key at once, the first to link its file wins and both use that one. */
async function makeAndKeep(path: string, modulusLength: number): Promise<KeyPair> {
  const made = await generate('rsa', { modulusLength });
  const draft = `${path}.${randomUUID()}`;
  try {
    await writeFile(draft, made.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    await link(draft, path);
    return made;
  } catch {
    // Somebody else linked first, or the folder cannot be written: its key, or else ours for this process alone.
    return (await load(path)) ?? made;
  } finally {
    await rm(draft, { force: true });
  }
}

/** A fresh P-384 key pair: the curve of VCEK and VLEK. */
export function freshP384KeyPair(): Promise<KeyPair> {
  return generate('ec', { namedCurve: 'P-384' });
}

/** A fresh P-256 key pair, for TLS on the loopback interface. */
export function freshP256KeyPair(): Promise<KeyPair> {
  return generate('ec', { namedCurve: 'P-256' });
}

/** A fresh RSA-2048 key pair, for a key that no two machines may share. */
export function freshRsaKeyPair(): Promise<KeyPair> {
  return generate('rsa', { modulusLength: 2048 });
}
