// npm run bench [-- name …] [-- --check] [-- --json [file]]
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { native } from '../build/modules/native.js';
import { stolenTime } from './_others.mjs';
import { verdict } from './_verdict.mjs';

const notBenchmarks = new Set(['main.mjs', 'measure.mjs']);

/** What libcrypto's AVX-512 kernel for AES-GCM asks for beyond AES-NI and PCLMULQDQ, by bit of CPUID leaf 7 (EBX, then ECX). */
const WIDE_AES = { avx512f: 16n, vaes: 41n, vpclmulqdq: 42n };

/** The instructions that AES-GCM's speed hangs on, as the kernel lists them. */
function aesInstructions() {
  const flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'latin1'))?.[1]?.split(/\s+/) ?? [];
  return ['aes', 'pclmulqdq', 'vaes', 'vpclmulqdq', 'avx2', 'avx512f', 'avx512vl', 'pmull'].filter((flag) =>
    flags.includes(flag),
  );
}

/** libcrypto reads its mask once, when it is loaded: Node's and the addon's alike, so both sides of a ratio lose the same. */
function runWithoutWideAes() {
  const mask = Object.values(WIDE_AES).reduce((bits, bit) => bits | (1n << bit), 0n);
  const { status } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)],
    { stdio: 'inherit', env: { ...process.env, OPENSSL_ia32cap: `:~0x${mask.toString(16)}` } },
  );
  return status ?? 1;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      check: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      out: { type: 'string' },
      'aes-ni': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const available = readdirSync(new URL('.', import.meta.url))
    .filter((file) => file.endsWith('.mjs') && !notBenchmarks.has(file) && !file.startsWith('_'))
    .map((file) => file.slice(0, -'.mjs'.length))
    .sort();
  if (values.help) {
    console.log(
      'npm run bench [-- NAME … --check --json --out FILE --aes-ni]\n' +
        '  --check     exit 1 when a target is missed\n' +
        '  --json      print JSON instead of tables\n' +
        '  --out FILE  write the JSON to FILE as well\n' +
        '  --aes-ni    hide VAES and AVX-512 from libcrypto, for the code that processors without them run\n' +
        `  NAME        ${available.join(', ')}; all of them by default`,
    );
    return 0;
  }
  const unknown = positionals.filter((name) => !available.includes(name));
  if (unknown.length > 0) {
    console.error(`no such benchmark: ${unknown.join(', ')} (there are: ${available.join(', ')})`);
    return 2;
  }

  const hidden = process.env.OPENSSL_ia32cap;
  if (values['aes-ni'] && hidden === undefined) return runWithoutWideAes();
  const instructions = aesInstructions();
  const report = {
    node: process.version,
    openssl: process.versions.openssl,
    addonOpenssl: native().opensslVersion,
    cpu: cpus()[0]?.model,
    instructions,
    ...(hidden !== undefined && { hiddenFromOpenssl: hidden }),
    benchmarks: [],
  };
  if (!values.json) {
    console.log(
      `Node ${report.node}, OpenSSL ${report.openssl}, ${report.addonOpenssl} in the addon, ${cpus().length} × ${report.cpu}`,
    );
    console.log(`instructions for AES-GCM: ${instructions.join(' ')}`);
    if (hidden !== undefined) console.log(`some of them hidden from libcrypto: OPENSSL_ia32cap=${hidden}`);
  }
  const start = { stolen: stolenTime(), at: performance.now() };
  let missed = 0;
  for (const name of positionals.length > 0 ? positionals : available) {
    const { run } = await import(new URL(`${name}.mjs`, import.meta.url));
    const { title, rows } = await run();
    const judged = rows.map((row) => ({ ...row, ok: verdict(row) }));
    missed += judged.filter(({ ok }) => ok === false).length;
    report.benchmarks.push({ name, title, rows: judged });
    if (!values.json) print(title, judged);
  }
  report.stolenShare = (stolenTime() - start.stolen) / ((performance.now() - start.at) * cpus().length);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (values.json) process.stdout.write(json);
  if (values.out !== undefined) writeFileSync(values.out, json);
  if (!values.json) console.log(`\nstolen by the host: ${(report.stolenShare * 100).toFixed(1)} % of the processors`);
  if (!values.json) console.log(missed === 0 ? '\nevery target met' : `\n${missed} target(s) missed`);
  return values.check && missed > 0 ? 1 : 0;
}

function print(title, rows) {
  console.log(`\n${title}`);
  const width = Math.max(...rows.map(({ question }) => question.length));
  for (const { question, ratio, unit = '×', atLeast, atMost, ok, details, interval, quiet = true } of rows) {
    if (!quiet) {
      console.log(`  ? ${question.padEnd(width)}  not measured: others were at work throughout`);
      continue;
    }
    const target = atLeast !== undefined ? `≥ ${atLeast}` : atMost !== undefined ? `≤ ${atMost}` : '';
    const mark = ok === undefined ? ' ' : ok ? '✓' : '✗';
    const spread = interval === undefined ? '' : ` (${interval.map(format).join('–')})`;
    const value = `${format(ratio)} ${unit}${spread}`;
    console.log(
      `  ${mark} ${question.padEnd(width)}  ${value.padStart(24)}  ${target.padEnd(8)} ${details ?? ''}`.trimEnd(),
    );
  }
}

function format(value) {
  if (!Number.isFinite(value)) return String(value);
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);
}

process.exitCode = await main();
