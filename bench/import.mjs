// What it costs a relying party to import this package: the best of several processes, since whatever else a machine does
// only adds to it. Processor time stands beside it: an import waits for nothing but the disk.
import { execFileSync } from 'node:child_process';
import { median } from './measure.mjs';

const ENTRIES = [
  ['cvm-guest-attestation', new URL('../dist/index.js', import.meta.url).href, 50],
  ['cvm-guest-attestation/verify', new URL('../dist/verify.js', import.meta.url).href, 25],
];

function importOnce(specifier) {
  const code = `
    const cpu = process.cpuUsage();
    const start = performance.now();
    await import(${JSON.stringify(specifier)});
    const elapsed = performance.now() - start;
    const { user, system } = process.cpuUsage(cpu);
    console.log(JSON.stringify({ elapsed, cpu: (user + system) / 1000 }));`;
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8' }));
}

/** @returns {Promise<{ title: string, rows: object[] }>} */
export async function run() {
  const ms = (value) => `${value.toFixed(1)} ms`;
  const rows = ENTRIES.map(([name, entry, atMost]) => {
    const rounds = Array.from({ length: 15 }, () => importOnce(entry));
    const elapsed = rounds.map((round) => round.elapsed);
    const cpu = rounds.map((round) => round.cpu);
    return {
      question: `import ${name} in a fresh process`,
      ratio: Math.min(...elapsed),
      unit: 'ms',
      atMost,
      details: `median ${ms(median(elapsed))}; processor time best ${ms(Math.min(...cpu))}, median ${ms(median(cpu))}`,
    };
  });
  return { title: 'Import of the entry points', rows };
}
