import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder of a server, short enough for Unix sockets in it. */
export function serverFolder(owner?: { uid: number; gid: number }): string {
  const folder = mkdtempSync(join(tmpdir(), 'cga-'));
  chmodSync(folder, 0o755);
  if (owner !== undefined) chownSync(folder, owner.uid, owner.gid);
  return folder;
}

/** User and group of a name, for servers that refuse to run as root; undefined when this process is not root itself. */
export function unprivileged(name: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

export function run(
  command: string,
  parameters: readonly string[],
  owner?: { uid: number; gid: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { ...owner, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(output) : reject(new Error(`${command}: ${output}`))));
  });
}

/** Starts a server and waits until `isReady` does not reject; kills it when it never is. */
export async function startServer(
  command: string,
  parameters: readonly string[],
  isReady: () => Promise<unknown>,
  owner?: { uid: number; gid: number },
): Promise<ChildProcess> {
  const child = spawn(command, parameters, { ...owner, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => (output = `${output}${data}`.slice(-4096)));
  child.stderr.on('data', (data) => (output = `${output}${data}`.slice(-4096)));
  let failure: unknown;
  for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
    try {
      await isReady();
      return child;
    } catch (error) {
      failure = error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  child.kill('SIGKILL');
  throw new Error(`${command} did not start: ${output}`, { cause: failure });
}

/** Ends a server that was started here. */
export async function endServer(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
