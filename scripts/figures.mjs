// node scripts/figures.mjs RUN.json… [--write]: a table of docs/performance.md out of several runs of
//   npm run bench -- tpm-decrypt throughput attest --out RUN.json
//   npm run bench -- --aes-ni throughput --out RUN.json
// Median and range of the runs; a row whose whole range lies on the wrong side of its target is bold. Rows that a run could
// not measure count in the others only.
import { readFileSync, writeFileSync } from 'node:fs';
import { verdict } from '../bench/_verdict.mjs';
import { median } from '../bench/measure.mjs';

const PAGE = new URL('../docs/performance.md', import.meta.url);
/** Runs on all that the processor has, and those from which `--aes-ni` hid some, have a place each. */
const BEGIN = '<!-- figures: node scripts/figures.mjs RUN.json… --write -->\n';
const BEGIN_AES_NI = '<!-- figures: node scripts/figures.mjs RUN-OF-AES-NI.json… --write -->\n';
const END = '<!-- /figures -->\n';

/** @param {object[]} reports as `npm run bench -- --json` prints them */
export function table(reports) {
  const rows = new Map();
  for (const { benchmarks } of reports) {
    for (const row of benchmarks.flatMap(({ rows }) => rows)) {
      const known = rows.get(row.question) ?? { row, values: [] };
      if (row.quiet !== false) known.values.push(row.ratio);
      rows.set(row.question, known);
    }
  }
  const lines = [['question', 'target', 'median', 'range', 'runs']];
  for (const { row, values } of rows.values()) {
    const { question, unit = '×', atLeast, atMost } = row;
    const target = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : '';
    const name = unit === '×' ? question : `${question}, ${unit}`;
    if (values.length === 0) {
      lines.push([name, target, 'not measured', '', '0']);
      continue;
    }
    const range = [Math.min(...values), Math.max(...values)];
    const missed = verdict({ ratio: median(values), interval: range, atLeast, atMost }) === false;
    const middle = figure(median(values));
    lines.push([name, target, missed ? `**${middle}**` : middle, range.map(figure).join(' – '), String(values.length)]);
  }
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const text = (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |\n`;
  const [head, ...body] = lines;
  return [text(head), text(widths.map((width) => '-'.repeat(width))), ...body.map(text)].join('');
}

/** The page with this table in the place of the one that it has. */
export function withTable(page, reports) {
  const { cpu, instructions, hiddenFromOpenssl: hidden, node, openssl, addonOpenssl } = reports[0];
  if (reports.some((report) => report.hiddenFromOpenssl !== hidden))
    throw new Error('runs of two kinds of instructions');
  const mark = hidden === undefined ? BEGIN : BEGIN_AES_NI;
  const begin = page.indexOf(mark);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < begin) throw new Error('docs/performance.md has no place for the figures');
  const used = hidden === undefined ? instructions.join(' ') : `OPENSSL_ia32cap=${hidden}`;
  const machine = `${reports.length} runs; ${cpu} (${used}), ${addonOpenssl} in the addon, Node ${node} with OpenSSL ${openssl}`;
  const stolen = `stolen by the host: at most ${(Math.max(...reports.map(({ stolenShare }) => stolenShare)) * 100).toFixed(1)} %`;
  return `${page.slice(0, begin + mark.length)}\n${machine}; ${stolen}.\n\n${table(reports)}\n${page.slice(end)}`;
}

const figure = (value) => (value >= 10 ? value.toFixed(value >= 100 ? 0 : 1) : value.toFixed(2));

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const files = process.argv.slice(2).filter((argument) => argument !== '--write');
  if (files.length === 0) {
    console.error('usage: node scripts/figures.mjs RUN.json… [--write]');
    process.exit(2);
  }
  const reports = files.map((file) => JSON.parse(readFileSync(file, 'utf8')));
  if (process.argv.includes('--write')) writeFileSync(PAGE, withTable(readFileSync(PAGE, 'utf8'), reports));
  else process.stdout.write(table(reports));
}
