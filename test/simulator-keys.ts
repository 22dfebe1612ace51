import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyFolderVariable } from '../lib/simulator/pki/key-pool.js';

/** Lets all test processes, and the programs that they start, share the simulator's slow RSA-4096 keys. */
export async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'cvm-sim-keys-'));
  process.env[keyFolderVariable] = folder;
  return () => rm(folder, { recursive: true, force: true });
}
