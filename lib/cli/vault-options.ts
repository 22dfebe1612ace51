import { type Command, Option } from 'commander';
import type { AttestationClientOptions, ManagedIdentity } from '../index.js';
import type { Context } from './context.js';
import { readInput } from './input/files.js';
import { addGuestOptions, clientOptions, collect, ENV, type GuestOptions } from './options.js';

/** Environment variables that stand in for options about vaults and provisioned secrets, for a simulated guest. */
export const VAULT_ENV = Object.freeze({
  /** `https://VAULT`, for a key that is named without its vault. */
  vaultUrl: 'CVM_ATTEST_VAULT_URL',
  /** Host of a vault that is not Azure's. */
  vaultHost: 'CVM_ATTEST_VAULT_HOST',
  vaultRoot: 'CVM_ATTEST_VAULT_ROOT',
  secretRoot: 'CVM_ATTEST_SECRET_ROOT',
  productUuid: 'CVM_ATTEST_PRODUCT_UUID',
  identity: 'CVM_ATTEST_IDENTITY',
});

/** Options of every command that asks a vault for a key, as commander delivers them. */
export interface VaultArguments extends GuestOptions {
  attestationUrl?: string;
  identity?: string;
  vaultHost?: string[];
  vaultRoot?: string;
  secretRoot?: string;
  productUuid?: string;
  ca?: string;
}

const MAX_ROOT_BYTES = 4 << 20;

export function addVaultOptions(command: Command): Command {
  return addGuestOptions(
    command
      .addOption(
        new Option('--attestation-url <url>', "the attestation service: an authority of the key's release policy").env(
          ENV.url,
        ),
      )
      .addOption(
        new Option('--identity <client-id>', 'managed identity that asks, where the VM has several').env(
          VAULT_ENV.identity,
        ),
      )
      .addOption(
        new Option('--vault-host <host>', "a vault that is not Azure's: host or host:port; may be repeated")
          .argParser(collect)
          .env(VAULT_ENV.vaultHost),
      )
      .addOption(
        new Option('--vault-root <file>', "certificates (PEM) that the vault's must lead to; default Node's").env(
          VAULT_ENV.vaultRoot,
        ),
      )
      .option('--ca <file>', "certificates (PEM) to check the attestation service's with; default Node's"),
  );
}

export function addSecretOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--secret-root <file>', "root (PEM) that signs provisioned secrets, in place of Azure's").env(
        VAULT_ENV.secretRoot,
      ),
    )
    .addOption(
      new Option('--product-uuid <file>', 'where the id of this VM is; default /sys/class/dmi/id/product_uuid').env(
        VAULT_ENV.productUuid,
      ),
    );
}

/** Options of the library's client out of the command's. */
export async function vaultClientOptions(context: Context, options: VaultArguments): Promise<AttestationClientOptions> {
  const { vaultHost, vaultRoot, secretRoot, productUuid, ca } = options;
  const keyVault = {
    ...(vaultHost !== undefined && { allowedHosts: vaultHost }),
    ...(vaultRoot ? { trustedRoots: [await readInput(vaultRoot, MAX_ROOT_BYTES)] } : {}),
  };
  return {
    ...clientOptions(context, options),
    keyVault,
    ...(secretRoot ? { secretRoots: [await readInput(secretRoot, MAX_ROOT_BYTES)] } : {}),
    ...(productUuid ? { productUuidPath: productUuid } : {}),
    ...(ca === undefined ? {} : { ca: await readInput(ca, MAX_ROOT_BYTES) }),
  };
}

export const identityOf = ({ identity }: VaultArguments): { managedIdentity?: ManagedIdentity } =>
  identity ? { managedIdentity: { clientId: identity } } : {};
