import type { Check } from '../../errors.js';
import { printable } from './printable.js';
import { wrap } from './table.js';
import type { Terminal } from './terminal.js';

/**
 * Prints checks: ✓ passed, ✗ failed with its code and the values that were compared, – not called for, with the reason.
 */
export function printChecks(terminal: Terminal, checks: readonly Check[]): void {
  const { green, red, dim } = terminal.style;
  terminal.print(terminal.style.bold('Checks'));
  for (const check of checks) {
    const name = printable(check.name);
    if (check.skipped) terminal.print(`  ${dim(`– ${name}: ${printable(check.actual ?? 'not asked for')}`)}`);
    else if (check.ok) terminal.print(`  ${green('✓')} ${name}`);
    else {
      terminal.print(`  ${red('✗')} ${name}${check.code === undefined ? '' : `  ${red(check.code)}`}`);
      printValue(terminal, 'expected', check.expected);
      printValue(terminal, 'actual', check.actual);
    }
  }
}

/** The last line of a verification: what became of it, and how many checks that rests on. */
export function printVerdict(terminal: Terminal, ok: boolean, checks: readonly Check[], what: string): void {
  const made = checks.filter((check) => !check.skipped);
  const passed = made.filter((check) => check.ok).length;
  const { bold, green, red } = terminal.style;
  const counted = `${passed} of ${made.length} checks passed`;
  terminal.print(
    ok ? `${bold(green(`✓ ${what} verified`))}: ${counted}` : `${bold(red(`✗ ${what} refused`))}: ${counted}`,
  );
}

function printValue(terminal: Terminal, label: string, value: string | undefined): void {
  if (value === undefined) return;
  const [first = '', ...rest] = wrap(printable(value), terminal.width - 15);
  terminal.print(`      ${terminal.style.dim(label.padEnd(8))} ${first}`);
  for (const line of rest) terminal.print(`               ${line}`);
}
