import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { endServer, removeFolder, run, serverFolder, startServer } from './process.js';

/** Settings in which every claim is on disk before it is answered. */
export const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always', '--no-appendfsync-on-rewrite', 'no'] as const;

/** A Redis of the distribution on a Unix socket, and on a loopback port where replicas need one. */
export class RedisServer {
  readonly folder = serverFolder();
  readonly path = join(this.folder, 'redis.sock');
  readonly #settings: readonly string[];
  #process: ChildProcess | undefined;

  constructor(...settings: string[]) {
    this.#settings = settings;
  }

  async start(...more: string[]): Promise<this> {
    const base = ['--dir', this.folder, '--unixsocket', this.path, '--port', '0'];
    this.#process = await startServer('redis-server', [...base, ...this.#settings, ...more], () => this.cli('PING'));
    return this;
  }

  async cli(...command: string[]): Promise<string> {
    const reply = (await run('redis-cli', ['-s', this.path, ...command])).trim();
    if (reply.startsWith('LOADING') || reply.startsWith('Could not connect')) throw new Error(reply);
    return reply;
  }

  /** As by a crash of the process: SIGKILL. */
  async crash(): Promise<void> {
    if (this.#process !== undefined) await endServer(this.#process, 'SIGKILL');
  }

  /** Stops answering without closing anything. */
  pause(): void {
    this.#process?.kill('SIGSTOP');
  }

  resume(): void {
    this.#process?.kill('SIGCONT');
  }

  async remove(): Promise<void> {
    this.resume();
    await this.crash();
    removeFolder(this.folder);
  }
}
