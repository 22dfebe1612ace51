import { Command } from 'commander';
import { isMisspelling } from '../../base/options.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit.js';
import { EXPLAINED_CODES, type Explanation, explanationOf } from '../explain/explanation.js';
import { jsonOption } from '../options.js';
import { wrap } from '../output/table.js';
import type { Terminal } from '../output/terminal.js';

export function explainCommand(context: Context): Command {
  return new Command('explain')
    .summary('say what an error code means and what to do')
    .description(
      'Says what a code means, what usually causes it and what to do about it: a number of an AttestationError, or the ERR_… of a refusal. Without a code, lists all of them.',
    )
    .argument('[code]', 'a number (26, -26), its name, or ERR_…')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  cvm-attest explain 26
  cvm-attest explain ERR_QUOTE_NONCE`,
    )
    .action((code: string | undefined, { json }: { json?: boolean }) => explain(context, code, json === true));
}

function explain({ terminal }: Context, code: string | undefined, json: boolean): void {
  if (code === undefined) {
    const all = EXPLAINED_CODES.flatMap((one) => explanationOf(String(one)) ?? []);
    if (json) terminal.json({ codes: all });
    else for (const one of all) terminal.print(`${titleOf(one)}  ${one.meaning}`);
    return;
  }
  const explanation = explanationOf(code);
  if (explanation === undefined) {
    const meant = EXPLAINED_CODES.find((one) => typeof one === 'string' && isMisspelling(code.slice(0, 60), one));
    const hint = meant === undefined ? 'cvm-attest explain lists all' : `did you mean ${meant}?`;
    throw new UsageError(`there is no code ${JSON.stringify(code.slice(0, 60))}: ${hint}`);
  }
  if (json) terminal.json(explanation);
  else print(terminal, explanation);
}

function print(terminal: Terminal, explanation: Explanation): void {
  const { bold, dim, yellow } = terminal.style;
  terminal.print(bold(titleOf(explanation)));
  paragraph(terminal, dim('means'), 'means', explanation.meaning);
  paragraph(terminal, dim('usually'), 'usually', explanation.causes);
  paragraph(terminal, yellow('try'), 'try', explanation.action);
}

function paragraph(terminal: Terminal, label: string, plain: string, text: string | undefined): void {
  if (text === undefined) return;
  const column = 9;
  for (const [index, line] of wrap(text, terminal.width - column - 2).entries()) {
    const head = index === 0 ? `${label}${' '.repeat(column - plain.length)}` : ' '.repeat(column);
    terminal.print(`  ${head}${line}`);
  }
}

const titleOf = ({ code, name }: Explanation): string => (name === undefined ? String(code) : `${code} ${name}`);
