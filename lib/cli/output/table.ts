import { printable, shorten } from './printable.js';
import type { Terminal } from './terminal.js';

/** One row of a table: a name and what it says. `alert` marks a value that an operator should not overlook. */
export interface Field {
  name: string;
  value: string;
  alert?: boolean;
}

export interface Section {
  title: string;
  fields: Field[];
}

/** A field, or nothing when there is no value: for spreading into a list. */
export function field(name: string, value: unknown, options: { alert?: boolean } = {}): Field[] {
  if (value === undefined || value === null || value === '') return [];
  return [{ name, value: textOf(value), ...(options.alert === undefined ? {} : { alert: options.alert }) }];
}

/** How a value reads in a table: bytes in hex, times to the second, yes and no. */
export function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? 'not a date' : `${value.toISOString().slice(0, 19)}Z`;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Hex for a table: all-zero bytes say so, which is easier to see than to count. */
export function hexOrZero(bytes: Uint8Array): string {
  return bytes.every((byte) => byte === 0) ? `zero (${bytes.length} bytes)` : hex(bytes);
}

const LONGEST_NAME = 32;

/** Prints sections of fields, names in one column, long values wrapped under themselves. */
export function printSections(terminal: Terminal, sections: readonly Section[]): void {
  const shown = sections
    .filter((section) => section.fields.length > 0)
    .map(({ title, fields }) => ({
      title,
      // Names come from outside as well: those of a client payload, for one.
      fields: fields.map((field) => ({ ...field, name: shorten(printable(field.name), LONGEST_NAME) })),
    }));
  const column = Math.max(0, ...shown.flatMap((section) => section.fields.map((field) => field.name.length)));
  for (const [index, section] of shown.entries()) {
    if (index > 0) terminal.print();
    terminal.print(terminal.style.bold(section.title));
    for (const { name, value, alert } of section.fields) {
      const [first = '', ...rest] = wrap(printable(value), terminal.width - column - 4);
      const paint = alert ? terminal.style.yellow : (text: string): string => text;
      terminal.print(`  ${terminal.style.dim(name.padEnd(column))}  ${paint(first)}`);
      for (const line of rest) terminal.print(`${' '.repeat(column + 4)}${paint(line)}`);
    }
  }
}

/** Lines of at most `width` characters, broken at spaces where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const end = space > width / 2 ? space : width;
    lines.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  lines.push(rest);
  return lines;
}
