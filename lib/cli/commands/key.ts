import { open } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { AttestationClient, explainReleaseResponse, type ReleaseAlgorithm, type ReleasedKey } from '../../index.js';
import type { Context } from '../context.js';
import { Exit, UsageError } from '../exit.js';
import { fileError, readInput, readText } from '../input/files.js';
import { parseTime } from '../input/verification.js';
import { jsonOption } from '../options.js';
import { printChecks, printVerdict } from '../output/checks.js';
import { field, printSections } from '../output/table.js';
import { bytesOfKey, KEY_FORMATS, type KeyFormat } from '../secrets/key-format.js';
import { addVaultOptions, identityOf, VAULT_ENV, type VaultArguments, vaultClientOptions } from '../vault-options.js';

const ALGORITHMS: readonly ReleaseAlgorithm[] = [
  'RSA_AES_KEY_WRAP_256',
  'RSA_AES_KEY_WRAP_384',
  'CKM_RSA_AES_KEY_WRAP',
];
const MAX_RESPONSE_BYTES = 1 << 20;

export function keyCommand(context: Context): Command {
  return new Command('key')
    .summary('get a key of a vault, and verify what a vault answered')
    .description('Has keys of Key Vault (Premium) and Managed HSM released to this confidential VM.')
    .addCommand(releaseCommand(context))
    .addCommand(verifyCommand(context))
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest simulate --key db -- cvm-attest key release --key-name db --out db.pem
  cvm-attest key verify --response answer.json --vault contoso.vault.azure.net --key-name db`,
    );
}

interface ReleaseOptions extends VaultArguments {
  keyId?: string;
  vaultUrl?: string;
  keyName?: string;
  keyVersion?: string;
  algorithm: ReleaseAlgorithm;
  out?: string;
  jwk?: string;
  format: KeyFormat;
  stdout?: number;
  json?: boolean;
}

function releaseCommand(context: Context): Command {
  const command = new Command('release')
    .summary('have a key released to this VM')
    .description(
      'Attests this VM, asks the vault for the key, verifies the answer and unwraps the key in the vTPM. Prints what the vault signed about the key; the key itself goes into a file that did not exist before, readable by its owner alone.',
    )
    .option('--key-id <url>', 'https://VAULT/keys/NAME[/VERSION]')
    .addOption(new Option('--vault-url <url>', 'https://VAULT, with --key-name').env(VAULT_ENV.vaultUrl))
    .option('--key-name <name>', 'the key of --vault-url')
    .option('--key-version <version>', 'its version; default the newest')
    .addOption(
      new Option('--algorithm <name>', 'how it is wrapped').choices(ALGORITHMS).default('RSA_AES_KEY_WRAP_256'),
    )
    .option('-o, --out <file>', 'write the key there (mode 0600); never overwrites')
    .option('--jwk <file>', 'write the key there as a JWK (mode 0600); never overwrites')
    .addOption(new Option('--format <format>', 'form of --out and --stdout').choices(KEY_FORMATS).default('pem'))
    .addOption(
      new Option('--stdout', 'print the key itself on stdout; must be given twice').argParser<number>(
        (_, count) => (count ?? 0) + 1,
      ),
    )
    .addOption(jsonOption());
  addVaultOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest key release --key-id https://contoso.vault.azure.net/keys/db --attestation-url https://sharedweu.weu.attest.azure.net --out db.pem
  cvm-attest simulate --key db -- cvm-attest key release --key-name db --out db.pem`,
    )
    .action((options: ReleaseOptions) => release(context, options));
}

async function release(context: Context, options: ReleaseOptions): Promise<void> {
  const { terminal, signal } = context;
  const { attestationUrl, out, jwk, format, json } = options;
  if (!attestationUrl) throw new UsageError('--attestation-url is needed');
  const stdout = options.stdout ?? 0;
  if (stdout === 1) throw new UsageError('--stdout prints the key for everyone who sees the output: give it twice');
  if (stdout > 1 && json) throw new UsageError('--stdout and --json exclude each other');
  await using client = new AttestationClient(await vaultClientOptions(context, options));
  using key = await terminal.progress(
    'asking the vault',
    client.releaseKey(
      { ...locationOf(options), attestationUrl, algorithm: options.algorithm, ...identityOf(options) },
      { signal },
    ),
  );
  if (out !== undefined) await writeKey(out, bytesOfKey(key, format));
  if (jwk !== undefined) await writeKey(jwk, bytesOfKey(key, 'jwk'));
  if (stdout > 1) {
    const bytes = bytesOfKey(key, format);
    terminal.stdout.write(bytes);
    return;
  }
  if (json) terminal.json({ ok: true, ...key.toJSON() });
  else show(context, key);
}

export function locationOf({ keyId, vaultUrl, keyName, keyVersion }: Partial<ReleaseOptions>) {
  if (keyId !== undefined) {
    if (keyName !== undefined || keyVersion !== undefined)
      throw new UsageError('--key-id has the name and the version');
    return { keyId };
  }
  if (!vaultUrl || keyName === undefined) throw new UsageError('--key-id, or --vault-url and --key-name, are needed');
  return { vaultUrl, keyName, ...(keyVersion !== undefined && { keyVersion }) };
}

/** A file that must not be there yet: a key never replaces another one. */
async function writeKey(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(bytes);
    await file.close();
  } catch (cause) {
    throw fileError(`${path} cannot be written`, cause);
  } finally {
    bytes.fill(0);
  }
}

function show({ terminal }: Context, key: ReleasedKey): void {
  const { kid, keyType, curve, operations, attributes, releasePolicy, checks } = key;
  printSections(terminal, [
    {
      title: 'Released key',
      fields: [
        ...field('id', kid),
        ...field('type', curve === undefined ? keyType : `${keyType} ${curve}`),
        ...field('operations', operations.join(', ')),
        ...field('attributes', attributes),
        ...field('release policy', releasePolicy ?? 'not known'),
      ],
    },
  ]);
  terminal.print();
  printChecks(terminal, checks);
  terminal.print();
  printVerdict(terminal, true, checks, 'answer of the vault');
}

interface VerifyOptions {
  response: string;
  vault: string;
  keyName?: string;
  keyVersion?: string;
  algorithm: ReleaseAlgorithm;
  nonce?: string;
  root?: string;
  now?: Date;
  json?: boolean;
}

function verifyCommand(context: Context): Command {
  return new Command('verify')
    .summary("verify a vault's answer, anywhere")
    .description(
      'Verifies a saved answer of a vault to a release request: the JWS, or the JSON around it. Nothing is unwrapped, and nothing is asked of anyone.',
    )
    .requiredOption('--response <file>', 'the answer; - for stdin')
    .requiredOption('--vault <host>', 'host of the vault that was asked')
    .option('--key-name <name>', 'key that was asked for')
    .option('--key-version <version>', 'version that was asked for')
    .addOption(
      new Option('--algorithm <name>', 'enc of the request').choices(ALGORITHMS).default('RSA_AES_KEY_WRAP_256'),
    )
    .option('--nonce <text>', 'nonce of the request')
    .addOption(new Option('--root <file>', "certificates (PEM) that the vault's must lead to").env(VAULT_ENV.vaultRoot))
    .option('--now <time>', 'verify as of this time (ISO 8601); default: now', parseTime)
    .addOption(jsonOption())
    .action((options: VerifyOptions) => verify(context, options));
}

async function verify(context: Context, options: VerifyOptions): Promise<void> {
  const { terminal } = context;
  const { keyName, keyVersion, algorithm, nonce, root, now } = options;
  const text = (await readText(options.response, MAX_RESPONSE_BYTES)).trim();
  const {
    ok,
    checks,
    release: found,
  } = await explainReleaseResponse(jwsOf(text), {
    vaultHost: options.vault,
    algorithm,
    ...(keyName !== undefined && { keyName }),
    ...(keyVersion !== undefined && { keyVersion }),
    ...(nonce !== undefined && { nonce }),
    ...(root ? { trustedRoots: [await readInput(root)] } : {}),
    ...(now !== undefined && { now }),
  });
  if (!ok) context.exitCode = Exit.refused;
  if (options.json) {
    terminal.json({ ok, checks, ...(found && { release: found }) });
    return;
  }
  printChecks(terminal, checks);
  terminal.print();
  printVerdict(terminal, ok, checks, 'answer of the vault');
}

/** The JWS in the body of an answer, or the text as it is. */
function jwsOf(text: string): string {
  if (!text.startsWith('{')) return text;
  try {
    const { value } = JSON.parse(text) as { value?: unknown };
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}
