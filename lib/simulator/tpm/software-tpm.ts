import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execute, type TpmTransport } from './command.js';
import { CommandCode } from './constants.js';
import { TpmWriter } from './encoding.js';
import { socketTransport } from './socket-transport.js';

const startTimeoutMs = 10_000;

/**
 * A TPM 2.0 in software: one `swtpm` process with its state in a folder, behind Unix sockets `PATH` and `PATH.ctrl`.
 *
 * The kernel kills it when this process dies, however it dies (`setpriv --pdeathsig`, util-linux), so that none is
 * left behind.
 */
export class SoftwareTpm {
  readonly socketPath: string;
  readonly transport: TpmTransport;
  readonly #stateFolder: string;
  #process: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#stateFolder = join(folder, 'state');
    this.socketPath = join(folder, 'swtpm');
    this.transport = socketTransport(this.socketPath);
  }

  /** TCTI string of the TPM itself, past the simulated paravisor. */
  get tcti(): string {
    return `swtpm:path=${this.socketPath}`;
  }

  /** Starts a TPM in `folder`; a new one when the folder holds no state. */
  static async start(folder: string): Promise<SoftwareTpm> {
    const tpm = new SoftwareTpm(folder);
    await mkdir(tpm.#stateFolder, { recursive: true, mode: 0o700 });
    await tpm.#spawn();
    return tpm;
  }

  /**
   * A TPM reset: power off and on with the same permanent state. Volatile objects, sessions and PCRs are gone, the
   * reset counter is one higher and the null hierarchy has a new seed.
   */
  async reset(): Promise<void> {
    await execute(this.transport, { code: CommandCode.Shutdown, parameters: new TpmWriter().u16(0).toBuffer() });
    await this.#kill();
    await this.#spawn();
  }

  /** The TPM falls silent: it takes commands and does not answer them until {@link resume}. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  /** Power off and on without a TPM2_Shutdown before. */
  async crash(): Promise<void> {
    await this.#kill();
    await this.#spawn();
  }

  /** Ends the process. Safe to call twice. */
  async stop(): Promise<void> {
    await this.#kill();
  }

  async #spawn(): Promise<void> {
    const args = [
      ...['socket', '--tpm2', '--tpmstate', `dir=${this.#stateFolder}`],
      ...['--server', `type=unixio,path=${this.socketPath}`],
      ...['--ctrl', `type=unixio,path=${this.socketPath}.ctrl`],
      ...['--flags', 'not-need-init,startup-clear'],
    ];
    const child = existsSync(setpriv)
      ? spawn(setpriv, ['--pdeathsig', 'KILL', 'swtpm', ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
      : spawn('swtpm', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      complaint = `${complaint}${text}`.slice(-2000);
    });
    let failure: Error | undefined;
    child.on('error', (error) => {
      failure = error;
    });
    const deadline = Date.now() + startTimeoutMs;
    while (!(await canConnect(this.socketPath))) {
      if (failure || child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        await this.#kill();
        throw new Error(
          `swtpm did not start${complaint ? `: ${complaint.trim()}` : ''}. ` +
            'The simulator needs it: apt-get install swtpm (Debian, Ubuntu).',
          failure ? { cause: failure } : undefined,
        );
      }
      await sleep(2);
    }
    // The process must not keep an otherwise finished program alive; pdeathsig ends it then.
    child.unref();
    (child.stderr as (NodeJS.ReadableStream & { unref?: () => void }) | null)?.unref?.();
  }

  async #kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }
}

const setpriv = '/usr/bin/setpriv';

function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
