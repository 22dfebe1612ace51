import { Command, Option } from 'commander';
import { AttestationClient, decodeUnverifiedToken } from '../../index.js';
import type { Context } from '../context.js';
import { readInput, writeOutput } from '../input/files.js';
import { readPayload } from '../input/payload.js';
import {
  addGuestOptions,
  clientOptions,
  collect,
  ENV,
  type GuestOptions,
  jsonOption,
  proxyOption,
} from '../options.js';
import { printSections } from '../output/table.js';
import { tokenSections } from '../present/token.js';

interface AttestOptions extends GuestOptions {
  url: string;
  payload?: string[];
  ca?: string;
  out?: string;
  json?: boolean;
}

const MAX_CA_BYTES = 4 << 20;

export function attestCommand(context: Context): Command {
  const command = new Command('attest')
    .summary('attest this guest and get a token')
    .description(
      "Shows this guest's evidence to an attestation service and prints the token that it issues, decrypted by the vTPM. The token is not verified here: that is for whoever relies on it.",
    )
    .addOption(
      new Option('--url <url>', 'the attestation service, such as https://sharedweu.weu.attest.azure.net')
        .env(ENV.url)
        .makeOptionMandatory(),
    )
    .option(
      '--payload <value>',
      'client payload that the token returns: name=value (may be repeated), a JSON object, or @file',
      collect,
    )
    .option('--ca <file>', "certificates (PEM) to check the service's with; default Node's")
    .addOption(proxyOption())
    .option('-o, --out <file>', 'write the token there (mode 0600) and show its claims')
    .addOption(jsonOption());
  addGuestOptions(command);
  return command
    .addHelpText(
      'after',
      `
Examples:
  sudo cvm-attest attest --url https://sharedweu.weu.attest.azure.net --payload nonce=5f0c2a… > token.jwt
  sudo cvm-attest attest --url https://sharedweu.weu.attest.azure.net --out token.jwt`,
    )
    .action((options: AttestOptions) => attest(context, options));
}

async function attest(context: Context, options: AttestOptions): Promise<void> {
  const { terminal, signal } = context;
  const { url, payload, out, json } = options;
  const clientPayload = payload === undefined ? undefined : await readPayload(payload);
  const ca = options.ca === undefined ? undefined : await readInput(options.ca, MAX_CA_BYTES);
  await using client = new AttestationClient({
    ...clientOptions(context, options),
    ...(ca === undefined ? {} : { ca }),
  });
  const token = await terminal.progress(
    `attesting with ${url}`,
    client.attest({ attestationUrl: url, ...(clientPayload === undefined ? {} : { clientPayload }) }, { signal }),
  );
  const { header, claims } = decodeUnverifiedToken(token);
  if (out !== undefined && out !== '-') await writeOutput(out, `${token}\n`, { mode: 0o600 });
  if (json) terminal.json({ token, header, claims });
  else if (out === undefined || out === '-') terminal.print(token);
  else {
    printSections(terminal, tokenSections(claims));
    terminal.note(`${out}: ${token.length} characters`);
  }
}
