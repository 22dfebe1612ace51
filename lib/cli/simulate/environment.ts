import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportTdxCollateral } from '../../index.js';
import type { SimulatedCvm } from '../../simulator/index.js';
import { ENV } from '../options.js';
import { VAULT_ENV } from '../vault-options.js';

/** What another process needs to take a simulated guest for its own machine: variables, and the files they name. */
export interface GuestEnvironment {
  variables: Record<string, string>;
  remove(): Promise<void>;
}

/** Writes the roots of a simulated guest, and a policy that names its measurement, to a temporary folder and says which variables to set. */
export async function guestEnvironment(cvm: SimulatedCvm): Promise<GuestEnvironment> {
  const folder = await mkdtemp(join(tmpdir(), 'cvm-attest-'));
  const root = join(folder, 'root.pem');
  const policy = join(folder, 'policy.json');
  await writeFile(root, cvm.trustedRoots.join(''));
  await writeFile(policy, JSON.stringify(cvm.verification.policy));
  const variables: Record<string, string> = {
    [ENV.tcti]: cvm.tcti,
    [ENV.imdsUrl]: cvm.imdsUrl,
    [ENV.kdsUrl]: cvm.kdsUrl,
    [ENV.url]: cvm.attestationUrl,
    [ENV.eventLog]: cvm.eventLogPath,
    [ENV.osRelease]: cvm.osReleasePath,
    [ENV.trustedRoot]: root,
    [ENV.policy]: policy,
    no_proxy: [process.env.no_proxy || process.env.NO_PROXY, '127.0.0.1,localhost'].filter(Boolean).join(','),
    ...(await vaultVariables(cvm, folder)),
  };
  if (cvm.tdxCollateral !== undefined) {
    const collateral = join(folder, 'collateral.json');
    await writeFile(collateral, exportTdxCollateral(cvm.tdxCollateral));
    variables[ENV.collateral] = collateral;
  }
  if (cvm.ca !== undefined) {
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, cvm.ca);
    variables.NODE_EXTRA_CA_CERTS = ca;
  }
  return { variables, remove: () => rm(folder, { recursive: true, force: true }) };
}

/** The vault, and what secrets are provisioned with: the roots as files. */
async function vaultVariables(cvm: SimulatedCvm, folder: string): Promise<Record<string, string>> {
  const [vaultRoot, secretRoot] = [join(folder, 'vault-root.pem'), join(folder, 'secret-root.pem')];
  await writeFile(vaultRoot, cvm.keyVault.trustedRoots.join(''));
  await writeFile(secretRoot, cvm.secretRoots.join(''));
  return {
    [VAULT_ENV.vaultUrl]: cvm.keyVaultUrl,
    [VAULT_ENV.vaultHost]: cvm.keyVault.host,
    [VAULT_ENV.vaultRoot]: vaultRoot,
    [VAULT_ENV.secretRoot]: secretRoot,
    [VAULT_ENV.productUuid]: cvm.productUuidPath,
  };
}

/** Lines that a POSIX shell sources. */
export function exportLines(variables: Record<string, string>): string {
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'`)
    .join('\n');
}
