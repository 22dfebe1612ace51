import type { SimulatedCvm, SimulatedKeyOptions } from '../../simulator/index.js';
import { UsageError } from '../exit.js';
import { writeOutput } from '../input/files.js';

const TYPES: Readonly<Record<string, SimulatedKeyOptions>> = {
  RSA: { kty: 'RSA-HSM' },
  'P-256': { kty: 'EC-HSM', crv: 'P-256' },
  'P-256K': { kty: 'EC-HSM', crv: 'P-256K' },
  'P-384': { kty: 'EC-HSM', crv: 'P-384' },
  'P-521': { kty: 'EC-HSM', crv: 'P-521' },
};

/** Puts keys into the vault of a simulated guest, and provisions secrets to it. @throws UsageError */
export async function furnish(
  cvm: SimulatedCvm,
  { key = [], provision = [] }: { key?: readonly string[]; provision?: readonly string[] },
): Promise<void> {
  for (const argument of key) {
    const [name = '', type = 'RSA'] = argument.split(':');
    const options = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (options === undefined) throw new UsageError(`--key ${name}: the type must be ${Object.keys(TYPES).join(', ')}`);
    cvm.keyVault.createKey(name, options);
  }
  for (const argument of provision) {
    const at = argument.indexOf('=');
    if (at < 1) throw new UsageError('--provision takes FILE=TEXT');
    await writeOutput(argument.slice(0, at), `${cvm.protectSecret(Buffer.from(argument.slice(at + 1)))}\n`);
  }
}
