// Installs programs that nobody of this project wrote and runs them against it, in both directions. Writes
// docs/interoperability.md. The exit code is 1 when one of them differs, and when one was skipped that was asked for: by name, or
// all of them where CI is set.
import { fileURLToPath } from 'node:url';
import { cases } from './cases/index.mjs';
import { run } from './install.mjs';
import { startMachines } from './machines.mjs';
import { Results } from './results.mjs';

const wanted = process.argv.slice(2);
const results = new Results();
const machines = await startMachines();
try {
  for (const [name, judge] of Object.entries(cases)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    await judge(results, machines);
  }
} finally {
  await machines.stop();
}
if (wanted.length === 0) {
  const document = fileURLToPath(new URL('../../docs/interoperability.md', import.meta.url));
  await results.write(document, new Date().toISOString().slice(0, 10));
  await run('npx', ['biome', 'format', '--write', document]);
}
const { rows, failed, skipped, missing } = results;
console.log(
  `${rows.length - missing.length} operations, ${failed.length} differ, ${skipped.length} skipped; ${missing.length} programs not published`,
);
if (failed.length > 0 || (skipped.length > 0 && (wanted.length > 0 || process.env.CI))) process.exitCode = 1;
