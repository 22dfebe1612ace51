import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const { table, withTable } = await import(String('../../scripts/figures.mjs'));

const run = (rows: object[]) => ({
  cpu: 'a processor',
  instructions: ['aes'],
  node: 'v20',
  openssl: '3.0',
  addonOpenssl: 'OpenSSL 3.5',
  stolenShare: 0.001,
  benchmarks: [{ rows }],
});
const ratio = (value: number, more: object = {}) => ({ question: 'a against b', ratio: value, atLeast: 1, ...more });

it('a row of the figures is the median of the runs that measured it', () => {
  const lines = table([run([ratio(1.2)]), run([ratio(0.1, { quiet: false })]), run([ratio(1)]), run([ratio(1.1)])]);
  expect(lines.split('\n').at(-2)).toBe('| a against b | ≥ 1    | 1.10   | 1.00 – 1.20 | 3    |');
});

it.each([
  [[0.8, 0.9, 0.99], '**0.90**'],
  [[0.8, 0.9, 1], '0.90'],
])('of the runs %j the median is %s', (values, expected) => {
  expect(table(values.map((value) => run([ratio(value)])))).toContain(`| ${expected} `);
});

it('a row that no run measured says so', () => {
  expect(table([run([ratio(1, { quiet: false })])])).toContain('| not measured |');
});

it('docs/performance.md has a place for the figures', () => {
  const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
  const written = withTable(page, [run([ratio(1.2)])]);
  expect(written).toContain('1 runs; a processor (aes), OpenSSL 3.5 in the addon');
  expect(withTable(written, [run([ratio(1.2)])])).toBe(written);
});

it('runs without the wide instructions have a place of their own, and no table is of both kinds', () => {
  const page = readFileSync(new URL('../../docs/performance.md', import.meta.url), 'utf8');
  const plain = withTable(page, [run([ratio(1.2)])]);
  const hidden = { ...run([ratio(1.3)]), hiddenFromOpenssl: ':~0x1' };
  const both = withTable(plain, [hidden]);
  expect(both).toContain('1 runs; a processor (aes), ');
  expect(both).toContain('1 runs; a processor (OPENSSL_ia32cap=:~0x1), ');
  expect(() => withTable(page, [run([ratio(1.2)]), hidden])).toThrow('two kinds');
});
