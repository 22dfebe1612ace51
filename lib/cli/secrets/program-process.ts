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
    const listeners = SIGNALS.map((signal) => ({ signal, listener: () => this.signal(signal) }));
    for (const { signal, listener } of listeners) process.on(signal, listener);
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        for (const each of listeners) process.off(each.signal, each.listener);
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
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

  /** Its exit code, or 128 and the number of the signal that ended it. Signals are handed on until then. */
  untilEnd(): Promise<number> {
    return this.#ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Calls `work` every so often until the program ends, never twice at the same time. */
  every(milliseconds: number, work: () => Promise<void>): void {
    let busy = false;
    const timer = setInterval(async () => {
      if (busy) return;
      busy = true;
      await work();
      busy = false;
    }, milliseconds);
    void this.#ended.then(() => clearInterval(timer));
  }
}
