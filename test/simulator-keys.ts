import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Product } from '../lib/index.js';
import { AmdAuthority } from '../lib/simulator/pki/amd.js';
import { keyFolderVariable } from '../lib/simulator/pki/key-pool.js';

/**
 * Lets all test processes, and the programs that they start, share the simulator's slow RSA-4096 keys, from one run to
 * the next as well. They prove nothing but simulated evidence; a fresh checkout makes its own.
 */
export async function setup(): Promise<void> {
  const folder = fileURLToPath(new URL('../node_modules/.cache/cvm-simulator-keys', import.meta.url));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  process.env[keyFolderVariable] = folder;
  for (const product of ['Milan', 'Genoa', 'Turin'] satisfies Product[]) await AmdAuthority.create({ product });
}
