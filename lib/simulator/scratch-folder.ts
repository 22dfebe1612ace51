import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Waits until its input ends, because the process that holds the other end is gone, then removes the folder. */
const janitorScript = 'trap "" INT TERM HUP; read -r _; sleep 0.1; rm -rf -- "$0"';

const folders = new Set<string>();

process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * A temporary folder, readable by this user alone, that does not outlive the process that made it: an exit without
 * `remove()` removes it, and where the process is killed a shell that waits for that does.
 */
export class ScratchFolder {
  readonly path: string;
  readonly #janitor: ChildProcess;

  private constructor(path: string) {
    this.path = path;
    folders.add(path);
    // A session of its own: a Ctrl-C at the terminal is not for it.
    this.#janitor = spawn('/bin/sh', ['-c', janitorScript, path], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#janitor.on('error', () => {});
    this.#janitor.unref();
    (this.#janitor.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }

  static async create(): Promise<ScratchFolder> {
    return new ScratchFolder(await mkdtemp(join(tmpdir(), 'cvm-sim-')));
  }

  /** Safe to call twice. */
  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    folders.delete(this.path);
    const janitor = this.#janitor;
    if (janitor.pid === undefined || janitor.exitCode !== null || janitor.signalCode !== null) return;
    janitor.ref();
    const gone = new Promise((resolve) => janitor.once('exit', resolve));
    janitor.kill('SIGKILL');
    await gone;
  }
}
