// npm run test:runtimes: runs the package where it is said to run, prints the matrix and, with --write, puts it into
// docs/runtimes.md. Tools go into build/runtimes/; with --install browsers come from the distribution. What cannot be had is
// reported with its reason and fails nothing. Names of groups (node, engines, workerd, browsers, …) run those alone.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { browserRows, installBrowsers, pageRows } from './runtimes/browsers.mjs';
import { bundlerRows } from './runtimes/bundlers.mjs';
import { denoAndBunRows, nodeRows, workerdRows } from './runtimes/engines.mjs';
import { nextRows, testRunnerRows, typeRows } from './runtimes/frameworks.mjs';
import { prepare, root } from './runtimes/workspace.mjs';

const GROUPS = {
  node: nodeRows,
  engines: denoAndBunRows,
  workerd: workerdRows,
  browsers: browserRows,
  page: pageRows,
  bundlers: bundlerRows,
  runners: testRunnerRows,
  types: typeRows,
  next: nextRows,
};

const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
prepare();
if (process.argv.includes('--install')) await installBrowsers();
const rows = [];
for (const [name, group] of Object.entries(GROUPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  let found;
  try {
    found = await group();
  } catch (error) {
    found = [{ runtime: name, entry: '', version: '', ok: false, why: String(error?.stack ?? error).slice(0, 600) }];
  }
  for (const row of found) console.log(sentence(row));
  rows.push(...found);
}
const count = (ok) => rows.filter((row) => row.ok === ok).length;
console.log(`\n${count(true)} passed, ${count(false)} failed, ${count(undefined)} skipped`);
if (process.argv.includes('--write') && wanted.length === 0) writeMatrix();
process.exitCode = count(false) === 0 ? 0 : 1;

function sentence({ runtime, entry, version, ok, engine, checks, why, advice }) {
  const head = `${ok === undefined ? '–' : ok ? '✓' : '✗'} ${runtime} ${entry} ${version ?? ''}`;
  const engineWords = engine ? ` engine ${engine}, ${checks} checks` : '';
  return `${head}${engineWords}${why ? ` — ${why}` : ''}${advice ? `\n    without the addon: ${advice}` : ''}`;
}

function writeMatrix() {
  const path = join(root, 'docs/runtimes.md');
  const text = readFileSync(path, 'utf8');
  const cells = rows.map(({ runtime, entry, version, ok, engine, why }) => [
    runtime,
    entry === 'all' ? 'all' : `\`${entry.replace('cvm-guest-attestation', '.').replace('./verify', './verify')}\``,
    /\d+(\.\d+)+\w*/.exec(version)?.[0] ?? version,
    ok === undefined ? `not run: ${why}` : ok ? 'works' : 'fails',
    engine ?? '',
  ]);
  for (const system of ['macOS', 'Windows', 'Linux with musl']) cells.push([system, '`./verify`', '', 'not run', '']);
  const table = [['runtime', 'entry point', 'version', 'result', 'signatures by'], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  const lines = table.map((line) => `| ${line.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`);
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  const block = `<!-- matrix -->\n\n${lines.join('\n')}\n\n<!-- /matrix -->`;
  writeFileSync(path, text.replace(/<!-- matrix -->.*<!-- \/matrix -->/s, block));
}
