// Compiles lib/, from scratch. tsc writes build/modules/, one file a module (benchmarks reach into it); rolldown makes dist/
// of that, one file an entry point and what they share: a hundred small modules take 65 ms to load, these a quarter.
// dist/cjs/ is the same as CommonJS, for tools that cannot load a module by `require` (Jest); Node never takes it.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const modules = 'build/modules';
for (const folder of [modules, 'dist']) rmSync(folder, { recursive: true, force: true });
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'], { stdio: 'inherit' });

const LIBRARY = ['index', 'verify', 'relying-party/index', 'opentelemetry', 'simulator/index'];
// The worker is a file that the verifier service starts threads with, not an entry point.
await write('dist', 'esm', [...LIBRARY, 'cli/main', 'relying-party/verifier-worker']);
await write('dist/cjs', 'cjs', LIBRARY);
writeFileSync('dist/cjs/package.json', '{ "type": "commonjs" }\n');
cpSync(modules, 'dist', { recursive: true, filter: (path) => !path.endsWith('.js') });
chmodSync('dist/cli/main.js', 0o755);
execFileSync('node', ['scripts/man-page.mjs', `${modules}/cli/program.js`, 'dist/cvm-attest.1'], { stdio: 'inherit' });

async function write(dir, format, entries) {
  const bundle = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entry, `${modules}/${entry}.js`])),
    platform: 'node',
    // Packages stay what they are: the package manager's and the SBOM's business. CommonJS cannot load jose, a module.
    external: format === 'cjs' ? /^(?!jose(?:\/|$))[^./]/ : /^[^./]/,
  });
  await bundle.write({
    dir,
    format,
    entryFileNames: '[name].js',
    chunkFileNames: 'shared/[name]-[hash].js',
  });
  await bundle.close();
}
