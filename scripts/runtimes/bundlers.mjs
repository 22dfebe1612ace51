// Programs that pack a program into one file, which is then run in Node without the package beside it.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown, VERSION as rolldownVersion } from 'rolldown';
import { absent, lastWords, row, run, tool, versionOf, workspace } from './workspace.mjs';

const require = createRequire(join(workspace, 'index.js'));
const VERIFY = 'cvm-guest-attestation/verify';
const WHOLE = 'cvm-guest-attestation';

/** Writes the input with its entry point filled in. */
function inputFor(entry, name) {
  const text = readFileSync(join(workspace, 'bundled.mjs'), 'utf8').replace("'ENTRY'", `'${entry}'`);
  writeFileSync(join(workspace, name), text);
  return name;
}

/** Bundles `input` of the workspace into `output`. */
export async function bundleWith(bundler, input, output, { format, platform }) {
  if (bundler === 'esbuild') {
    const options = { bundle: true, format, platform, logLevel: 'silent', loader: { '.json': 'json' } };
    await require('esbuild').build({
      ...options,
      absWorkingDir: workspace,
      entryPoints: [input],
      outfile: output,
      metafile: false,
    });
  } else if (bundler === 'rolldown') {
    const bundle = await rolldown({ input: join(workspace, input), platform, cwd: workspace });
    await bundle.write({ file: join(workspace, output), format, codeSplitting: false });
    await bundle.close();
  } else await webpackBundle(input, output, platform);
}

function webpackBundle(input, output, platform) {
  const webpack = require('webpack');
  return new Promise((resolve, reject) => {
    webpack(
      {
        mode: 'production',
        target: platform === 'node' ? 'node20' : 'web',
        context: workspace,
        entry: `./${input}`,
        output: { path: workspace, filename: output },
      },
      (error, stats) => {
        const problem =
          error ?? (stats.hasErrors() ? new Error(stats.toString({ all: false, errors: true })) : undefined);
        if (problem) reject(problem);
        else resolve();
      },
    );
  });
}

export async function bundlerRows() {
  const rows = [];
  const cases = [
    ['esbuild', 'cjs'],
    ['esbuild', 'esm'],
    ['webpack', 'cjs'],
    ['rolldown', 'esm'],
    ['rolldown', 'cjs'],
  ];
  for (const [bundler, format] of cases) {
    for (const entry of [VERIFY, WHOLE]) rows.push(await bundlerRow(bundler, format, entry));
  }
  return rows;
}

async function bundlerRow(bundler, format, entry) {
  const runtime = `${bundler}, ${format === 'cjs' ? 'CommonJS' : 'ESM'}`;
  if (bundler !== 'rolldown' && !existsSync(tool(bundler)))
    return absent(runtime, entry, 'its npm package could not be had');
  const version = bundler === 'rolldown' ? rolldownVersion : versionOf(bundler);
  const name = `${bundler}-${format}-${entry === VERIFY ? 'verify' : 'whole'}`;
  const output = `${name}.bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`;
  try {
    await bundleWith(bundler, inputFor(entry, `${name}.mjs`), output, { format, platform: 'node' });
  } catch (error) {
    return { runtime, entry, version, ok: false, why: lastWords(String(error)) };
  }
  // Run where nothing of the package can be found.
  const alone = mkdtempSync(join(tmpdir(), 'bundle-'));
  cpSync(join(workspace, output), join(alone, output));
  try {
    return row(runtime, entry, version, await run(process.execPath, [output], { cwd: alone }));
  } finally {
    rmSync(alone, { recursive: true });
  }
}
