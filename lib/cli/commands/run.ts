import { closeSync, openSync, unlinkSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { AttestationClient } from '../../index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { collect } from '../options.js';
import { printable } from '../output/printable.js';
import { whileClockIsBehind } from '../secrets/clock.js';
import { ProgramProcess } from '../secrets/program-process.js';
import { SecretFolder } from '../secrets/secret-folder.js';
import { parseSource, type SecretSource, textOf } from '../secrets/source.js';
import {
  addSecretOptions,
  addVaultOptions,
  identityOf,
  VAULT_ENV,
  type VaultArguments,
  vaultClientOptions,
} from '../vault-options.js';

interface RunOptions extends VaultArguments {
  secret?: string[];
  vaultUrl?: string;
  deliver: 'env' | 'file' | 'fd';
  renew?: number;
}

/** As `docker run` and `env` have it: the program was not even started. */
const NOT_STARTED = 125;

export function runCommand(context: Context): Command {
  const command = new Command('run')
    .summary('start a program with secrets that only this VM can have')
    .description(
      'Gets secrets and starts a program with them. When one of them is refused the program is not started, and the exit code is 125; else it is that of the program.',
    )
    .argument('<program...>', 'the program and its arguments, after --')
    .option('--secret <name=source>', 'a secret and where it comes from; may be repeated', collect)
    .addOption(
      new Option('--deliver <how>', 'variable NAME; file named by NAME_FILE; descriptor numbered by NAME_FD')
        .choices(['env', 'file', 'fd'])
        .default('env'),
    )
    .option(
      '--renew <interval>',
      'fetch them again this often (90s, 15m, 1h), replace the files and send SIGHUP',
      parseInterval,
    )
    .addOption(new Option('--vault-url <url>', 'vault of sources that are key:NAME').env(VAULT_ENV.vaultUrl))
    .passThroughOptions()
    .addHelpText(
      'after',
      `
Sources:
  https://VAULT/keys/KEY[/VERSION][#FORMAT]   a key that the vault releases: pem (default), der, jwk, raw, base64
  key:KEY[/VERSION][#FORMAT]                  the same, of --vault-url
  kbs+https://BROKER/REPOSITORY/TYPE/TAG      a resource of a key broker (trustee's protocol)
  provisioned:FILE                            a secret that was provisioned to this VM

Examples:
  sudo cvm-attest run --secret DB_KEY=https://contoso.vault.azure.net/keys/db \\
    --attestation-url https://sharedweu.weu.attest.azure.net -- node server.js
  cvm-attest simulate --key db -- cvm-attest run --secret DB_KEY=key:db --deliver file -- sh -c 'ls -l $DB_KEY_FILE'`,
    );
  addSecretOptions(addVaultOptions(command));
  return command.action((program: string[], options: RunOptions) => run(context, program, options));
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseInterval(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,5})([smhd])$/.exec(text) ?? [];
  const milliseconds = Number(digits) * (UNITS[unit] ?? 0);
  if (!(milliseconds >= 1000 && milliseconds < 2 ** 31))
    throw new InvalidArgumentError('It is a time such as 90s, 15m or 1h.');
  return milliseconds;
}

async function run(context: Context, program: readonly string[], options: RunOptions): Promise<void> {
  context.failureExitCode = NOT_STARTED;
  const sources = sourcesOf(options);
  if (options.renew !== undefined && options.deliver !== 'file') {
    throw new UsageError('--renew needs --deliver file: variables and descriptors of a program cannot be renewed');
  }
  await using client = new AttestationClient(await vaultClientOptions(context, options));
  await using delivery = await Delivery.create(context, options.deliver);
  await delivery.fetch(client, sources, context.signal);
  if (context.signal.aborted) throw context.signal.reason;
  context.signalsPassedOn = true;
  const started = await ProgramProcess.start(program, { ...context.env, ...delivery.variables }, delivery.descriptors);
  delivery.started();
  if (options.renew !== undefined) {
    started.every(options.renew, async () => {
      if (await delivery.renew(client, sources)) started.signal('SIGHUP');
    });
  }
  context.exitCode = await started.untilEnd();
}

function sourcesOf({ secret = [], attestationUrl, vaultUrl, ...options }: RunOptions): SecretSource[] {
  const settings = { attestationUrl, vaultUrl, identity: identityOf(options) };
  const sources = secret.map((argument) => parseSource(argument, settings));
  const names = sources.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`--secret ${twice} is given twice`);
  if (sources.length === 0) throw new UsageError('--secret is needed: without one there is no need for this command');
  return sources;
}

/** Secrets on their way to the program: in variables, or in a folder of its own. */
class Delivery implements AsyncDisposable {
  readonly variables: Record<string, string> = {};
  readonly descriptors: number[] = [];

  private constructor(
    readonly context: Context,
    readonly how: 'env' | 'file' | 'fd',
    readonly folder: SecretFolder | undefined,
  ) {}

  static async create(context: Context, how: 'env' | 'file' | 'fd'): Promise<Delivery> {
    if (how === 'env') return new Delivery(context, how, undefined);
    const folder = await SecretFolder.create([context.env.XDG_RUNTIME_DIR, '/dev/shm', '/run']);
    if (!folder.inMemory)
      context.terminal.note('! there is no file system in memory here: the secrets are in files on a disk');
    return new Delivery(context, how, folder);
  }

  /** Gets every secret, one after the other, and puts it where the program will find it. */
  async fetch(client: AttestationClient, sources: readonly SecretSource[], signal: AbortSignal): Promise<void> {
    for (const source of sources) {
      const say = (message: string): void => this.context.terminal.note(printable(message));
      const bytes = await whileClockIsBehind(() => source.fetch(client, signal), say, signal);
      try {
        await this.#put(source.name, bytes);
      } finally {
        bytes.fill(0);
      }
    }
  }

  /** Replaces the files; what cannot be fetched now stays as it is. Resolves with whether all are new. */
  async renew(client: AttestationClient, sources: readonly SecretSource[]): Promise<boolean> {
    try {
      await this.fetch(client, sources, this.context.signal);
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : 'unknown';
      this.context.terminal.note(printable(`! the secrets cannot be renewed now: ${why}`));
      return false;
    }
  }

  /** The program has its descriptors. */
  started(): void {
    for (const descriptor of this.descriptors) closeSync(descriptor);
    this.descriptors.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.started();
    await this.folder?.[Symbol.asyncDispose]();
  }

  async #put(name: string, bytes: Buffer): Promise<void> {
    if (this.folder === undefined) {
      this.variables[name] = textOf(bytes, name);
      return;
    }
    const path = await this.folder.write(name, bytes);
    if (this.how === 'file') {
      this.variables[`${name}_FILE`] = path;
      return;
    }
    // The first descriptor after stdin, stdout and stderr.
    this.variables[`${name}_FD`] = String(3 + this.descriptors.length);
    this.descriptors.push(openSync(path, 'r'));
    unlinkSync(path);
  }
}
