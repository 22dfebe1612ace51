import { Command, Option } from 'commander';
import { AttestationClient, EncryptionType } from '../../index.js';
import type { Context } from '../context.js';
import { CliError, UsageError } from '../exit.js';
import { parseBytes } from '../input/bytes.js';
import { readInput, readStream, writeOutput } from '../input/files.js';
import { addSchemeOptions, type MessageType, type SchemeArguments, schemeOf, TYPES } from '../input/scheme.js';
import { inputStream, peek, transform } from '../input/streams.js';
import { addTpmOption, clientOptions, type GuestOptions, verboseOption } from '../options.js';

interface DecryptOptions extends GuestOptions, SchemeArguments {
  type?: MessageType;
  in: string;
  out: string;
  metadata?: string;
  aad?: Uint8Array;
}

const RSA_BLOCK_BYTES = 256;

export function decryptCommand(context: Context): Command {
  const command = new Command('decrypt')
    .summary("decrypt with this machine's TPM")
    .description(
      "Decrypts what was encrypted to the key in this machine's token, with the vTPM: in the boot and state that were attested, and in no other.",
    )
    .addOption(new Option('--type <type>', 'what it is; default: told by its first bytes').choices(TYPES))
    .option('-i, --in <file>', 'what to decrypt; - for stdin', '-')
    .option('-o, --out <file>', 'where to write, with mode 0600; - for stdout', '-')
    .option('--metadata <file>', 'metadata of an envelope whose ciphertext is apart from it')
    .option('--aad <bytes>', 'additional data that was given to encrypt', parseBytes);
  addTpmOption(addSchemeOptions(command)).addOption(verboseOption());
  return command
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest decrypt --in disk.img.sealed --out disk.img
  sudo cvm-attest decrypt < secret.jwe

What is written to stdout before a failure (exit code 3) must not be used; a file appears only when all of it is good.`,
    )
    .action((options: DecryptOptions) => decryptInput(context, options));
}

async function decryptInput(context: Context, options: DecryptOptions): Promise<void> {
  const { terminal, signal } = context;
  const { metadata, aad, out } = options;
  const input = await peek(await inputStream(options.in), RSA_BLOCK_BYTES + 1);
  const type = options.type ?? (metadata === undefined ? typeOf(input.head) : 'envelope');
  const scheme = schemeOf(options, type);
  if (metadata !== undefined && type !== 'envelope') throw new UsageError('--metadata is for --type envelope');
  if (aad !== undefined && type !== 'stream')
    throw new UsageError('--aad is for --type stream: the metadata of an envelope hold it');
  await using client = new AttestationClient(clientOptions(context, options));
  if (type === 'stream') {
    const through = client.createDecryptStream(aad === undefined ? {} : { additionalData: aad });
    await terminal.progress('decrypting', transform(input.stream, through, { path: out, mode: 0o600 }, signal));
    return;
  }
  const data = await readStream(input.stream, options.in);
  let plaintext: Buffer;
  if (type === 'none') plaintext = await client.decrypt(data, { type: EncryptionType.None, signal, ...scheme });
  else if (metadata === undefined) plaintext = await client.decryptJwe(data.toString('latin1').trim(), { signal });
  else plaintext = await client.decrypt(data, { encryptionMetadata: await readInput(metadata), signal });
  if (out === '-') terminal.stdout.write(plaintext, () => client.free(plaintext));
  else {
    await writeOutput(out, plaintext, { mode: 0o600 });
    client.free(plaintext);
  }
}

/** A stream says what it is in its magic, a JWE by the braces of its header; an RSA block is random bytes. */
function typeOf(head: Buffer): MessageType {
  if (head.subarray(0, 7).toString('latin1') === 'CVMSEAL') return 'stream';
  if (head.subarray(0, 3).toString('latin1') === 'eyJ') return 'envelope';
  if (head.length === RSA_BLOCK_BYTES) return 'none';
  throw new CliError('ERR_INPUT_FORMAT', 'this is neither a sealed stream, nor a JWE, nor one RSA block of 256 bytes');
}
