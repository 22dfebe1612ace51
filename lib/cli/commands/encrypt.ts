import { Command, Option } from 'commander';
import { createEncryptStream, EncryptionType, encrypt, encryptJwe, verifyToken } from '../../index.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { parseBytes } from '../input/bytes.js';
import { readInput, writeOutput } from '../input/files.js';
import { addSchemeOptions, type MessageType, type SchemeArguments, schemeOf, TYPES } from '../input/scheme.js';
import { inputStream, transform } from '../input/streams.js';
import { readToken } from '../input/token.js';
import { addTokenOptions, type TokenArguments, tokenVerification } from '../input/token-verification.js';

interface EncryptOptions extends TokenArguments, SchemeArguments {
  token: string;
  type: MessageType;
  in: string;
  out: string;
  metadata?: string;
  aad?: Uint8Array;
}

export function encryptCommand(context: Context): Command {
  const command = new Command('encrypt')
    .summary('encrypt to the key in a token')
    .description(
      'Encrypts a file, or stdin, to the TPM key in a token: only the machine that was attested, in the state that was attested, can decrypt it. Verify the token first, or here with --issuer.',
    )
    .requiredOption('--token <token>', 'the token, or a file with it')
    .addOption(
      new Option(
        '--type <type>',
        'stream: any size; envelope: one JWE; none: one RSA block, up to 190 bytes (245 with RSAES)',
      )
        .choices(TYPES)
        .default('stream'),
    )
    .option('-i, --in <file>', 'what to encrypt; - for stdin', '-')
    .option('-o, --out <file>', 'where to write; - for stdout', '-')
    .option(
      '--metadata <file>',
      'with --type envelope: metadata apart from the ciphertext, as the library returns them',
    )
    .option('--aad <bytes>', 'additional data that both sides know: hex, text, or hex:…, base64:…, text:…', parseBytes);
  addTokenOptions(addSchemeOptions(command));
  return command
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest encrypt --token token.jwt --issuer https://sharedweu.weu.attest.azure.net --in disk.img --out disk.img.sealed
  echo secret | cvm-attest encrypt --token token.jwt --type envelope > secret.jwe`,
    )
    .action((options: EncryptOptions) => encryptInput(context, options));
}

async function encryptInput(context: Context, options: EncryptOptions): Promise<void> {
  const { terminal, signal } = context;
  const { type, out, metadata, aad } = options;
  const scheme = schemeOf(options, type);
  if (metadata !== undefined && type !== 'envelope') throw new UsageError('--metadata is for --type envelope');
  if (aad !== undefined && (type === 'none' || (type === 'envelope' && metadata === undefined))) {
    throw new UsageError('--aad is for --type stream, and for --type envelope with --metadata');
  }
  if (out === '-' && type !== 'envelope' && terminal.stdout.isTTY)
    throw new UsageError('binary output to a terminal: give --out');
  const token = await readToken(options.token);
  if (options.issuer !== undefined) await verifyToken(token, await tokenVerification(options));
  else terminal.note(terminal.noteStyle.yellow('the token is not verified: give --issuer, or verify it before'));

  if (type === 'stream') {
    const through = createEncryptStream(token, aad === undefined ? {} : { additionalData: aad });
    await terminal.progress(
      'encrypting',
      transform(await inputStream(options.in), through, { path: out, mode: 0o644 }, signal),
    );
    return;
  }
  const data = await readInput(options.in);
  if (type === 'none') {
    const { encryptedData } = await encrypt(token, data, { type: EncryptionType.None, ...scheme });
    await write(context, out, encryptedData);
  } else if (metadata === undefined) {
    await write(context, out, `${await encryptJwe(token, data)}\n`);
  } else {
    const sealed = await encrypt(token, data, aad === undefined ? {} : { additionalData: aad });
    await writeOutput(metadata, sealed.encryptionMetadata);
    await write(context, out, sealed.encryptedData);
  }
}

async function write({ terminal }: Context, path: string, content: string | Uint8Array): Promise<void> {
  if (path === '-') terminal.stdout.write(content);
  else await writeOutput(path, content);
}
