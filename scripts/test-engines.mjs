// npm run test:engines -- 1000000: every engine on that many changed signatures, tokens, reports and pieces of evidence.
import { spawnSync } from 'node:child_process';

const [count = '1000000', seed = '12'] = process.argv.slice(2);
const started = Date.now();
const { status } = spawnSync('node_modules/.bin/vitest', ['run', 'test/engine/differential.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, DIFFERENTIAL_MUTATIONS: count, DIFFERENTIAL_SEED: seed },
});
console.log(`${count} mutations, seed ${seed}, ${Math.round((Date.now() - started) / 1000)} s`);
process.exitCode = status ?? 1;
