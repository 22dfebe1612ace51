// Programs that run JavaScript outside a browser: Node in every supported version, with the addon and without, Deno, Bun,
// workerd.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWith } from './bundlers.mjs';
import { absent, root, row, rowOf, run, tool, versionOf, workspace } from './workspace.mjs';

const ENTRIES = ['cvm-guest-attestation', 'cvm-guest-attestation/verify'];

export async function nodeRows() {
  const rows = [];
  await run('bash', [join(root, 'scripts/nodes.sh')], { cwd: root, seconds: 300 });
  for (const major of [20, 22, 24, 26]) {
    const node = join(root, `.nodes/${major}/bin/node`);
    if (!existsSync(node)) {
      rows.push(absent(`Node ${major}`, '', 'the npm package with its binary could not be had'));
      continue;
    }
    const version = (await run(node, ['--version'])).output.trim();
    const script = join(root, 'test/runtimes/run.mjs');
    rows.push(row(`Node ${major}, addon`, ENTRIES[0], version, await run(node, [script, ENTRIES[0]], { cwd: root })));
    for (const entry of ENTRIES) {
      rows.push(row(`Node ${major}, no addon`, entry, version, await run(node, ['run.mjs', entry])));
    }
  }
  return rows;
}

export async function denoAndBunRows() {
  const [, verify] = ENTRIES;
  const rows = [];
  if (!existsSync(tool('.bin/deno'))) rows.push(absent('Deno', verify, 'its npm package could not be had'));
  else {
    const args = ['run', '--allow-read', '--allow-env', '--node-modules-dir=manual', 'run.mjs', verify];
    rows.push(row('Deno', verify, versionOf('deno'), await run(tool('.bin/deno'), args)));
  }
  if (!existsSync(tool('.bin/bun'))) rows.push(absent('Bun', verify, 'its npm package could not be had'));
  else rows.push(row('Bun', verify, versionOf('bun'), await run(tool('.bin/bun'), ['run', 'run.mjs', verify])));
  return rows;
}

const PORT = 28_787;

export async function workerdRows() {
  const [, verify] = ENTRIES;
  if (!existsSync(tool('.bin/workerd'))) return [absent('workerd', verify, 'its npm package could not be had')];
  await bundleWith('esbuild', 'worker.mjs', 'worker.bundle.mjs', { format: 'esm', platform: 'browser' });
  writeFileSync(
    join(workspace, 'worker.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${PORT}", http = (), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.bundle.mjs")],
  compatibilityDate = "2026-01-01",
);
`,
  );
  const server = spawn(tool('.bin/workerd'), ['serve', 'worker.capnp'], {
    cwd: workspace,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  server.stderr.on('data', (chunk) => {
    output += chunk;
  });
  try {
    for (let attempt = 0; attempt < 60; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const answer = await fetch(`http://127.0.0.1:${PORT}/`).catch(() => undefined);
      if (answer !== undefined) return [rowOf('workerd', verify, versionOf('workerd'), await answer.json())];
    }
    return [{ runtime: 'workerd', entry: verify, version: versionOf('workerd'), ok: false, why: output.slice(-400) }];
  } catch (error) {
    return [{ runtime: 'workerd', entry: verify, version: versionOf('workerd'), ok: false, why: `${error} ${output}` }];
  } finally {
    server.kill();
  }
}
