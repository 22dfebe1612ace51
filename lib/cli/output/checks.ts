import type { Check, CheckSubject } from '../../base/errors.js';
import { failuresInWords, timeInWords } from './check-words.js';
import { printable } from './printable.js';
import { wrap } from './table.js';
import type { Terminal } from './terminal.js';

/** What checks are about, in the order in which trust flows. */
const SUBJECTS: Readonly<Record<CheckSubject, string>> = {
  root: 'Root key',
  intermediate: 'Signing key (ASK, ASVK, PCK CA)',
  leaf: 'Chip key (VCEK, VLEK, PCK)',
  'quoting-enclave': 'Quoting enclave',
  report: 'Hardware report',
  collateral: 'Collateral',
  tcb: 'TCB of the platform',
  'runtime-data': 'Runtime data',
  ak: 'Attestation key',
  quote: 'Quote',
  pcrs: 'PCRs',
  'event-log': 'Event log',
  'encryption-key': 'Ephemeral encryption key',
  'released-key': 'Released key',
  policy: 'Policy',
};
const LONGEST_VALUE = 48;

/**
 * Prints checks, grouped by what they are about: ✓ passed, ✗ failed with its code and the values that were compared, – not
 * called for, with the reason.
 */
export function printChecks(terminal: Terminal, checks: readonly Check[]): void {
  terminal.print(terminal.style.bold('Checks'));
  for (const check of checks) if (check.subject === undefined) printCheck(terminal, check);
  for (const [subject, title] of Object.entries(SUBJECTS)) {
    const group = checks.filter((check) => check.subject === subject);
    if (group.length === 0) continue;
    terminal.print(`  ${title}`);
    for (const check of group) printCheck(terminal, check, '  ');
  }
}

/** The last line of a verification: its outcome, how many checks that rests on, and what failed. */
export function printVerdict(terminal: Terminal, ok: boolean, checks: readonly Check[], what: string): void {
  const made = checks.filter((check) => !check.skipped);
  const passed = made.filter((check) => check.ok).length;
  const { bold, green, red } = terminal.style;
  const counted = `${passed} of ${made.length} checks passed`;
  terminal.print(
    ok
      ? `${bold(green(`✓ ${what} verified`))}: ${counted}`
      : `${bold(red(`✗ ${what} refused`))}: ${counted}; failed: ${printable(failuresInWords(checks))}`,
  );
}

function printCheck(terminal: Terminal, check: Check, indent = ''): void {
  const { green, red, dim } = terminal.style;
  const name = printable(check.name);
  if (check.skipped) {
    terminal.print(`  ${indent}${dim(`– ${name}: ${printable(check.actual ?? 'not asked for')}`)}`);
  } else if (check.ok) {
    terminal.print(`  ${indent}${green('✓')} ${name}${dim(shortValue(check))}`);
  } else {
    terminal.print(`  ${indent}${red('✗')} ${name}${check.code === undefined ? '' : `  ${red(check.code)}`}`);
    printValue(terminal, indent, 'expected', check.expected);
    printValue(terminal, indent, 'actual', check.actual);
    printValue(terminal, indent, 'that is', timeInWords(check));
  }
}

/** What a passed check found, where it fits on the line. */
function shortValue({ actual }: Check): string {
  const value = actual === undefined ? '' : printable(actual);
  return value === '' || value.length > LONGEST_VALUE ? '' : `  ${value}`;
}

function printValue(terminal: Terminal, indent: string, label: string, value: string | undefined): void {
  if (value === undefined) return;
  const [first = '', ...rest] = wrap(printable(value), terminal.width - indent.length - 15);
  terminal.print(`      ${indent}${terminal.style.dim(label.padEnd(8))} ${first}`);
  for (const line of rest) terminal.print(`               ${indent}${line}`);
}
