// The folder that runtimes are tested in: tools from the registry, the package as it would be installed, and the checks.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));
export const workspace = join(root, 'build/runtimes');
const PACKAGE = 'cvm-guest-attestation';

/** Names of npm packages, with what must be there for them to count as installed. */
export const TOOLS = {
  deno: 'deno@2',
  bun: 'bun@1',
  workerd: 'workerd@1',
  esbuild: 'esbuild@0',
  webpack: 'webpack@5',
  next: 'next@16',
  react: 'react@19',
  'react-dom': 'react-dom@19',
  jest: 'jest@30',
};

/** Installs what is missing; a tool that cannot be had is reported by its rows, not here. */
export function prepare() {
  mkdirSync(workspace, { recursive: true });
  writeFileSync(join(workspace, 'package.json'), '{ "name": "runtimes", "private": true, "type": "module" }\n');
  const missing = Object.entries(TOOLS).filter(([name]) => !existsSync(join(workspace, 'node_modules', name)));
  if (missing.length > 0) install(missing.map(([, spec]) => spec));
  // One that was refused must not take the others with it.
  for (const [name, spec] of missing) if (!existsSync(join(workspace, 'node_modules', name))) install([spec]);
  installPackage();
  for (const file of ['check.mjs', 'run.mjs', 'bundled.mjs', 'worker.mjs', 'page.mjs', 'vector.json']) {
    cpSync(join(root, 'test/runtimes', file), join(workspace, file));
  }
}

function install(specs) {
  try {
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...specs], {
      cwd: workspace,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 300_000,
    });
  } catch (error) {
    console.error(`[runtimes] npm install ${specs.join(' ')}: ${String(error.stderr ?? error).split('\n')[0]}`);
  }
}

/** The package without an addon beside it: what a relying party on another platform has. */
function installPackage() {
  const target = join(workspace, 'node_modules', PACKAGE);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  for (const part of ['package.json', 'dist', 'schema', 'binding.d.ts'])
    cpSync(join(root, part), join(target, part), { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const from = join(root, 'node_modules', name);
    cpSync(from, join(target, 'node_modules', name), { recursive: true, dereference: true });
  }
}

/** Runs a program to its end, and ends it when it takes too long. */
export function run(command, args, { cwd = workspace, env = {}, seconds = 120 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk) => {
      output = `${output}${chunk}`.slice(-200_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
    child.on('error', (error) => {
      output += String(error);
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

/** One row of the matrix. `engine` is what the checks found, `version` what the runtime says of itself. */
export function row(runtime, entry, version, { code, output }) {
  const line = /^RESULT (.*)$/m.exec(output)?.[1];
  if (line === undefined) return { runtime, entry, version, ok: false, why: `exit ${code}: ${lastWords(output)}` };
  return rowOf(runtime, entry, version, JSON.parse(line));
}

export function rowOf(runtime, entry, version, { failures, engine, checks, advice }) {
  const why = failures.slice(0, 3).join('; ');
  return { runtime, entry, version, ok: failures.length === 0 && checks > 0, engine, checks, why, advice };
}

/** A runtime that could not be had here: said, and neither passed nor failed. */
export const absent = (runtime, entry, why) => ({ runtime, entry, version: '', ok: undefined, why });

export const lastWords = (output) => output.trim().split('\n').slice(-4).join(' | ').slice(-400);

export const tool = (path) => join(workspace, 'node_modules', path);
export const versionOf = (name) => JSON.parse(readFileSync(tool(`${name}/package.json`), 'utf8')).version;
