import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { endServer, removeFolder, run, serverFolder, startServer, unprivileged } from './process.js';

/** A PostgreSQL of the distribution, newest version, on a Unix socket in its own folder. */
export class PostgresServer {
  readonly #owner = unprivileged('postgres');
  /** The folder of the socket: what `pg` takes as host. */
  readonly host = serverFolder(this.#owner);
  readonly #data = join(this.host, 'data');
  readonly #programs: string;
  #process: ChildProcess | undefined;

  constructor() {
    const versions = readdirSync('/usr/lib/postgresql').sort((one, other) => Number(other) - Number(one));
    this.#programs = `/usr/lib/postgresql/${versions[0]}/bin`;
  }

  async start(...settings: string[]): Promise<this> {
    if (this.#process === undefined) {
      const parameters = ['-D', this.#data, '-U', 'postgres', '-A', 'trust', '--no-sync'];
      await run(join(this.#programs, 'initdb'), parameters, this.#owner);
    }
    const options = ['listen_addresses=', `unix_socket_directories=${this.host}`, ...settings];
    this.#process = await startServer(
      join(this.#programs, 'postgres'),
      ['-D', this.#data, ...options.flatMap((option) => ['-c', option])],
      () => run(join(this.#programs, 'pg_isready'), ['-h', this.host, '-U', 'postgres']),
      this.#owner,
    );
    return this;
  }

  /** As by a crash: every process of it at once, without a checkpoint. */
  async crash(): Promise<void> {
    if (this.#process !== undefined) await endServer(this.#process, 'SIGQUIT');
  }

  async remove(): Promise<void> {
    if (this.#process !== undefined) await endServer(this.#process, 'SIGINT');
    removeFolder(this.host);
  }
}
