import { Command } from 'commander';
import { decodeUnverifiedToken, explainToken } from '../../index.js';
import type { AttestationClaims } from '../../token/claims.js';
import type { Context } from '../context.js';
import { Exit } from '../exit.js';
import { readToken } from '../input/token.js';
import { addTokenOptions, type TokenArguments, tokenVerification } from '../input/token-verification.js';
import { htmlOption, jsonOption } from '../options.js';
import { printChecks, printVerdict } from '../output/checks.js';
import { printSections } from '../output/table.js';
import { tokenSections } from '../present/token.js';
import { writeTokenPage } from '../present/token-page.js';

interface TokenOptions extends TokenArguments {
  json?: boolean;
  html?: string;
}

export function tokenCommand(context: Context): Command {
  const command = new Command('token')
    .summary('show a token and verify it')
    .description(
      'Shows the claims of an attestation token that matter and, with --issuer, verifies it: signature, issuer, times, and what it says about the machine.',
    )
    .argument('[token]', 'the token, or a file with it; - for stdin', '-');
  addTokenOptions(command);
  return command
    .addOption(jsonOption())
    .addOption(htmlOption())
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest token token.jwt --issuer https://sharedweu.weu.attest.azure.net
  cvm-attest token token.jwt --issuer https://sharedweu.weu.attest.azure.net --payload nonce=5f0c2a… --require-secure-boot
  cvm-attest attest --url … | cvm-attest token

Without --issuer the token is shown but not verified.`,
    )
    .action(async (argument: string, options: TokenOptions) => {
      const token = await readToken(argument);
      if (options.issuer === undefined) await showUnverified(context, token, options, argument);
      else await showVerified(context, token, options, argument);
    });
}

async function showUnverified(
  { terminal }: Context,
  token: string,
  { json, html }: TokenOptions,
  argument: string,
): Promise<void> {
  const { header, claims } = decodeUnverifiedToken(token);
  if (html !== undefined) await writeTokenPage(html, { claims }, subjectOf(argument, claims));
  if (json) {
    terminal.json({ ok: false, verified: false, header, claims });
    return;
  }
  printSections(terminal, tokenSections(claims));
  terminal.print();
  terminal.print(
    terminal.style.bold(terminal.style.yellow('! not verified: say whose token it must be with --issuer')),
  );
}

async function showVerified(context: Context, token: string, options: TokenOptions, argument: string): Promise<void> {
  const { terminal } = context;
  const { ok, checks, header, claims } = await terminal.progress(
    "fetching the issuer's keys",
    explainToken(token, await tokenVerification(options)),
  );
  if (!ok) context.exitCode = Exit.refused;
  if (options.html !== undefined && claims !== undefined) {
    await writeTokenPage(options.html, { verdict: { ok, checks }, claims }, subjectOf(argument, claims));
  }
  if (options.json) {
    terminal.json({ ok, verified: ok, checks, header, claims });
    return;
  }
  if (claims !== undefined) printSections(terminal, tokenSections(claims));
  terminal.print();
  printChecks(terminal, checks);
  terminal.print();
  printVerdict(terminal, ok, checks, 'token');
}

/** What a page says it is about: the file, or else who says to have issued the token. */
function subjectOf(argument: string, { iss }: Partial<AttestationClaims>): string {
  if (argument !== '-' && !argument.startsWith('eyJ')) return argument;
  return typeof iss === 'string' ? iss : 'a token';
}
