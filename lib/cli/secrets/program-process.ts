import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { CliError } from '../exit.js';

/** Signals that are handed on to the program. SIGKILL and SIGSTOP cannot be, SIGCHLD is not meant for it. */
const SIGNALS: readonly NodeJS.Signals[] = [
  'SIGINT',
  'SIGTERM',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGWINCH',
  'SIGCONT',
];

/** A program that was started with secrets, until it ends. */
export class ProgramProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
    });
  }

  /** @param descriptors files that the program inherits as 3, 4, … @throws CliError when it cannot be started */
  static start(
    [program = '', ...args]: readonly string[],
    env: NodeJS.ProcessEnv,
    descriptors: readonly number[] = [],
  ): Promise<ProgramProcess> {
    return new Promise((resolve, reject) => {
      const child = spawn(program, args, { env, stdio: ['inherit', 'inherit', 'inherit', ...descriptors] });
      const started = new ProgramProcess(child);
      child.once('spawn', () => resolve(started));
      child.once('error', (cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'ENOENT' ? 'there is no such command' : cause.message;
        reject(new CliError(cause.code ?? 'ERR_SPAWN', `${program} cannot be run: ${why}`, cause));
      });
    });
  }

  /** Hands signals on until the program ends. Resolves with its exit code, or 128 and the number of its signal. */
  async untilEnd(): Promise<number> {
    const listeners = SIGNALS.map((signal) => ({ signal, listener: () => this.signal(signal) }));
    for (const { signal, listener } of listeners) process.on(signal, listener);
    try {
      return await this.#ended;
    } finally {
      for (const { signal, listener } of listeners) process.off(signal, listener);
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Calls `work` every so often until the program ends. */
  every(milliseconds: number, work: () => Promise<void>): void {
    const timer = setInterval(() => void work(), milliseconds);
    void this.#ended.finally(() => clearInterval(timer));
  }
}
