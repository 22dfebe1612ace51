import { adviceFor } from '../../base/advice.js';
import { AttestationError, VerificationError } from '../../base/errors.js';
import { CliError } from '../exit.js';
import { printable, shorten } from './printable.js';
import { wrap } from './table.js';
import type { Terminal } from './terminal.js';

/** An error as `--json` prints it under `error`. */
export function errorAsJson(error: unknown): Record<string, unknown> {
  if (error instanceof AttestationError) {
    return {
      code: error.code,
      codeName: error.codeName,
      description: error.description,
      message: error.message,
      tpmErrorCode: error.tpmErrorCode,
      ...(error.status === undefined ? {} : { status: error.status }),
      ...(error.responseBody === undefined ? {} : { responseBody: error.responseBody }),
      ...hintMember(error),
    };
  }
  if (error instanceof VerificationError) {
    return { code: error.code, message: error.message, checks: error.checks, ...hintMember(error) };
  }
  if (error instanceof CliError) return { code: error.code, message: error.message, ...hintMember(error) };
  return { code: codeOf(error) ?? 'ERR_INTERNAL', message: messageOf(error) };
}

/** Says on stderr what failed, with its code, and what usually helps. */
export function printError(terminal: Terminal, error: unknown): void {
  const { bold, red, dim, yellow } = terminal.noteStyle;
  terminal.note(`${bold(red('error:'))} ${printable(shorten(messageOf(error), 2000))}`);
  if (error instanceof AttestationError) {
    terminal.note(`  ${dim('code')}     ${error.code} ${error.codeName}: ${error.description}`);
    if (error.tpmErrorCode !== 0)
      terminal.note(`  ${dim('TPM')}      TSS2_RC 0x${error.tpmErrorCode.toString(16).padStart(8, '0')}`);
    if (error.status !== undefined) terminal.note(`  ${dim('HTTP')}     status ${error.status}`);
    if (error.responseBody) terminal.note(`  ${dim('answer')}   ${printable(shorten(error.responseBody, 1000))}`);
  } else {
    const code = error instanceof VerificationError || error instanceof CliError ? error.code : codeOf(error);
    if (code !== undefined) terminal.note(`  ${dim('code')}     ${printable(code)}`);
  }
  const hint = hintFor(error);
  if (hint !== undefined) {
    for (const [index, line] of wrap(hint, terminal.width - 12).entries()) {
      terminal.note(`  ${index === 0 ? yellow('try') : '   '}      ${line}`);
    }
  }
}

function hintMember(error: unknown): { hint?: string } {
  const hint = hintFor(error);
  return hint === undefined ? {} : { hint };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What usually helps, in one sentence, and where more of it is; undefined where nothing general can be said. */
function hintFor(error: unknown): string | undefined {
  if (error instanceof AttestationError || error instanceof VerificationError) {
    return error.advice === undefined ? undefined : `${error.advice} More: cvm-attest explain ${error.code}`;
  }
  return error instanceof CliError ? adviceFor(error.code) : undefined;
}
