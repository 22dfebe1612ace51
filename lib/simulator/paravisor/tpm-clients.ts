import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { native } from '../../native.js';
import type { ResourceManager } from './resource-manager.js';
import type { Held, TpmSpace } from './tpm-space.js';

/** Objects, and sessions, that one connection to /dev/tpmrm0 may hold. */
const kernelLimit = 3;
const watchIntervalMs = 100;

/** One who sends commands to the TPM. Its methods run while no other command is in progress. */
export interface TpmClient {
  execute(command: Buffer): Promise<Buffer>;
  /** A command was answered by somebody else than the TPM: the sessions that it ended are gone. */
  answered(command: Buffer): void;
  /** Flushes what is the client's. */
  leave(): Promise<void>;
}

/**
 * Tells clients apart, so that each has a space of its own.
 *
 * A connection that carries more than one command is a client, as one of /dev/tpmrm0 is. tpm2-tss connects to a `swtpm`
 * for every command, however: there the process is the client, and what it leaves is flushed when it has ended.
 */
export class TpmClients {
  readonly #manager: ResourceManager;
  /** By process id and start time. */
  readonly #processes = new Map<string, { pid: number; space: TpmSpace }>();
  /** The simulated platform itself. */
  readonly host: TpmClient;
  #timer: NodeJS.Timeout | undefined;

  constructor(manager: ResourceManager) {
    this.#manager = manager;
    this.host = this.#clientOf(manager.open());
  }

  /** Looks for processes that have ended; `exclusively` runs a task between two commands. */
  watch(exclusively: (task: () => Promise<void>) => Promise<void>): void {
    this.#timer = setInterval(() => {
      const ended = [...this.#processes].filter(([key, { pid }]) => pid !== 0 && processKey(pid) !== key);
      if (ended.length === 0) return;
      exclusively(async () => {
        for (const [key, { space }] of ended) {
          if (this.#processes.delete(key)) await this.#manager.close(space);
        }
      }).catch(() => {});
    }, watchIntervalMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  connect(socket: Socket): TpmClient {
    const manager = this.#manager;
    const process = this.#processSpace(peerOf(socket));
    let own: TpmSpace | undefined;
    let firstMade: Held[] | undefined;
    const space = (): TpmSpace => own ?? process;
    return {
      execute: async (command) => {
        if (firstMade) {
          own ??= takeOver(manager.open(kernelLimit), process, firstMade);
          return manager.execute(command, own);
        }
        const before = new Set(process.held);
        const response = await manager.execute(command, process);
        firstMade = process.held.filter((held) => !before.has(held));
        return response;
      },
      answered: (command) => {
        firstMade ??= [];
        manager.ended(command, space());
      },
      leave: async () => {
        if (own) await manager.close(own);
      },
    };
  }

  #clientOf(space: TpmSpace): TpmClient {
    return {
      execute: (command) => this.#manager.execute(command, space),
      answered: (command) => this.#manager.ended(command, space),
      leave: () => this.#manager.close(space),
    };
  }

  #processSpace(pid: number): TpmSpace {
    const key = processKey(pid);
    const known = this.#processes.get(key);
    if (known) return known.space;
    const space = this.#manager.open();
    this.#processes.set(key, { pid, space });
    return space;
  }
}

/** Moves what the first command of a connection made to the connection's own space. */
function takeOver(own: TpmSpace, process: TpmSpace, made: readonly Held[]): TpmSpace {
  for (const held of made) {
    if (process.find(held.handle) !== held) continue;
    process.remove(held);
    own.add(held);
  }
  return own;
}

/** Process at the other end of a socket; 0 for one that cannot be told, which all such share. */
function peerOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } };
  if (handle?.fd === undefined || !existsSync('/proc/self/stat')) return 0;
  try {
    return native().peerProcess(handle.fd) ?? 0;
  } catch {
    return 0; // no addon, or an older one
  }
}

/** Process id and start time: ids are used again. */
function processKey(pid: number): string {
  if (pid === 0) return '0';
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // State and start time are fields 3 and 22; the second one is a name in parentheses that may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return `${pid} ${fields[0] === 'Z' ? 'ended' : fields[19]}`;
  } catch {
    return `${pid} ended`;
  }
}
