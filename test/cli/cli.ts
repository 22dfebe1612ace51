import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, vi } from 'vitest';
import { guestEnvironment } from '../../lib/cli/simulate/environment.js';
import type { SimulatedCvm } from '../../lib/simulator/index.js';

// Every call starts a program, on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

export const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
if (!existsSync(main)) throw new Error('the command is tested as it is shipped: run `npm run build:ts` first');

export interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
  bytes: Buffer;
}

interface RunOptions {
  env?: Record<string, string>;
  input?: string | Uint8Array;
  /** User that the command runs as, where the tests run as root. */
  uid?: number;
  /** What is started instead of Node with the command. */
  program?: string;
  cwd?: string;
}

/** Nothing of the tester's own environment decides: neither colours nor a TPM nor services. */
function cleanEnvironment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const names = ['PATH', 'HOME', 'TMPDIR', 'CVM_SIMULATOR_KEYS'];
  const kept = names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(kept), ...more };
}

export function start(args: readonly string[], options: RunOptions = {}): ChildProcess {
  const { program = process.execPath, env, uid, cwd } = options;
  const all = program === process.execPath ? [main, ...args] : [...args];
  const user = uid === undefined ? {} : { uid, gid: uid };
  return spawn(program, all, { env: cleanEnvironment(env), cwd, ...user });
}

/** Runs the command to its end, in a process of its own while simulated services go on in this one. */
export function cvmAttest(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = start(args, options);
    const output: { stdout: Buffer[]; stderr: Buffer[] } = { stdout: [], stderr: [] };
    child.stdout?.on('data', (chunk: Buffer) => output.stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => output.stderr.push(chunk));
    child.once('error', reject);
    child.once('close', (status) => {
      const bytes = Buffer.concat(output.stdout);
      resolve({ status, bytes, stdout: bytes.toString(), stderr: Buffer.concat(output.stderr).toString() });
    });
    // A command that does not want its input may end before it is written.
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** A folder of the test file's own, removed after it. */
export function scratchFolder(): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'cvm-attest-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return (name) => join(folder, name);
}

const removals: (() => Promise<void>)[] = [];
// Registered while the file is collected: inside a running test afterAll() is ignored.
afterAll(async () => {
  await Promise.all(removals.map((remove) => remove()));
});

/** Variables that make the command take a simulated guest for its own machine; their folder goes after the test file. */
export async function variablesOf(cvm: SimulatedCvm): Promise<Record<string, string>> {
  const { variables, remove } = await guestEnvironment(cvm);
  removals.push(remove);
  return variables;
}
