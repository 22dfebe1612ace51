import { Command, Option } from 'commander';
import { AttestationClient, type UnprotectSecretOptions } from '../../index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { parseInteger } from '../input/bytes.js';
import { readText, writeOutput } from '../input/files.js';
import { addGuestOptions, jsonOption } from '../options.js';
import { addSecretOptions, type VaultArguments, vaultClientOptions } from '../vault-options.js';

interface UnprotectOptions extends VaultArguments {
  in: string;
  out?: string;
  require: NonNullable<UnprotectSecretOptions['require']>;
  vmId?: string;
  maxAge?: number;
  stdout?: number;
  json?: boolean;
}

const MAX_TOKEN_BYTES = 1 << 20;
const REQUIREMENTS = ['signed+encrypted', 'signed', 'encrypted', 'legacy'];

export function secretCommand(context: Context): Command {
  return new Command('secret')
    .summary('decrypt what was provisioned to this VM')
    .description("Secrets that Azure's control plane provisions to a confidential VM, hidden from its host.")
    .addCommand(unprotectCommand(context))
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest secret unprotect --in secret.jwt --out secret.txt`,
    );
}

function unprotectCommand(context: Context): Command {
  const command = new Command('unprotect')
    .summary('verify and decrypt a provisioned secret')
    .description(
      'Verifies the token that carries a secret and decrypts it with the key that the platform put into the vTPM.',
    )
    .option('-i, --in <file>', 'the token; - for stdin', '-')
    .option('-o, --out <file>', 'write the secret there (mode 0600)')
    .addOption(
      new Option('--require <protection>', 'what it must be protected by')
        .choices(REQUIREMENTS)
        .default('signed+encrypted'),
    )
    .option('--vm-id <guid>', 'SMBIOS id of this VM; default: read, which takes root')
    .option(
      '--max-age <seconds>',
      'how old it may be, in place of its own end',
      parseInteger(0, Number.MAX_SAFE_INTEGER),
    )
    .addOption(
      new Option('--stdout', 'print the secret on stdout; must be given twice').argParser<number>(
        (_, count) => (count ?? 0) + 1,
      ),
    )
    .addOption(jsonOption());
  addSecretOptions(addGuestOptions(command));
  return command.action((options: UnprotectOptions) => unprotect(context, options));
}

async function unprotect(context: Context, options: UnprotectOptions): Promise<void> {
  const { terminal, signal } = context;
  const { out, vmId, maxAge, json } = options;
  const stdout = options.stdout ?? 0;
  if (stdout === 1) throw new UsageError('--stdout prints the secret for everyone who sees the output: give it twice');
  if (out === undefined && stdout === 0) throw new UsageError('--out is needed, or --stdout given twice');
  const token = (await readText(options.in, MAX_TOKEN_BYTES)).trim();
  await using client = new AttestationClient(await vaultClientOptions(context, options));
  const secret = await client.unprotectSecret(token, {
    require: options.require,
    ...(vmId !== undefined && { vmId }),
    ...(maxAge !== undefined && { maxAgeSeconds: maxAge }),
    signal,
  });
  try {
    if (out !== undefined) await writeOutput(out, secret, { mode: 0o600 });
    if (stdout > 1) terminal.stdout.write(Buffer.from(secret));
    else if (json) terminal.json({ ok: true, bytes: secret.length });
    else terminal.note(`${out}: ${secret.length} bytes`);
  } finally {
    client.free(secret);
  }
}
