import { chmod } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { headerSize, type TpmTransport } from '../tpm/command.js';
import { CommandCode, commandName } from '../tpm/constants.js';
import { commandCodeOf } from './command-view.js';
import type { EmulatedNv } from './emulated-nv.js';
import type { TpmClient, TpmClients } from './tpm-clients.js';
import type { TpmFault, TpmFaultAction } from './tpm-faults.js';

/** A command as {@link TpmTrace} records it. */
export interface TracedCommand {
  code: number;
  /** Name without `TPM2_`. */
  name: string;
  /** TPM_RC of the answer that the guest got; undefined when it got none. */
  responseCode: number | undefined;
  command: Buffer;
  response: Buffer | undefined;
}

/** Records commands from its start until `stop()`. */
export interface TpmTrace {
  readonly commands: readonly TracedCommand[];
  /** How often each command was sent, by name. */
  counts(): Record<string, number>;
  stop(): readonly TracedCommand[];
}

/** No TPM command is longer than a TPM's own buffer of 4 KiB. */
const maxCommandSize = 4096;

/**
 * Stands between a guest and its TPM, as Azure's paravisor does: passes commands on one at a time, answers for the NV
 * indices that it keeps itself, records commands and injects faults where a test asks for it.
 *
 * It listens on `PATH` and `PATH.ctrl`, so that the TCTI string `swtpm:path=PATH` reaches it.
 */
export class TpmProxy {
  readonly socketPath: string;
  readonly #target: { transport: TpmTransport; socketPath: string };
  readonly #nv: EmulatedNv;
  readonly #clients: TpmClients | undefined;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #traces = new Set<TracedCommand[]>();
  readonly #faults: { fault: TpmFault; waiting: number; left: number }[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    socketPath: string,
    target: { transport: TpmTransport; socketPath: string },
    nv: EmulatedNv,
    clients?: TpmClients,
  ) {
    this.socketPath = socketPath;
    this.#target = target;
    this.#nv = nv;
    this.#clients = clients;
    clients?.watch((task) => this.exclusively(task));
  }

  /** @param clients gives each client a space of its own; without it all share the TPM as it is, slots and handles */
  static async listen(
    socketPath: string,
    target: { transport: TpmTransport; socketPath: string },
    nv: EmulatedNv,
    clients?: TpmClients,
  ): Promise<TpmProxy> {
    const proxy = new TpmProxy(socketPath, target, nv, clients);
    await proxy.#listen(socketPath, (socket) => proxy.#serve(socket));
    await proxy.#listen(`${socketPath}.ctrl`, (socket) => proxy.#forwardControl(socket));
    return proxy;
  }

  /** Sends a command the way a guest's would go, but past the trace and the faults. */
  readonly transport: TpmTransport = (command) => this.#enqueue(() => this.#answer(command));

  injectFault(fault: TpmFault): void {
    this.#faults.push({ fault, waiting: (fault.nth ?? 1) - 1, left: fault.times ?? 1 });
  }

  clearFaults(): void {
    this.#faults.length = 0;
  }

  trace(): TpmTrace {
    const commands: TracedCommand[] = [];
    this.#traces.add(commands);
    return {
      commands,
      counts: () => {
        const counts: Record<string, number> = {};
        for (const { name } of commands) counts[name] = (counts[name] ?? 0) + 1;
        return counts;
      },
      stop: () => {
        this.#traces.delete(commands);
        return commands;
      },
    };
  }

  /** Runs `task` while no guest command is in progress: for a TPM reset. */
  exclusively<T>(task: () => Promise<T>): Promise<T> {
    return this.#enqueue(task);
  }

  async close(): Promise<void> {
    this.#clients?.stop();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }

  async #listen(path: string, serve: (socket: Socket) => void): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      serve(socket);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600);
    server.unref();
  }

  #serve(socket: Socket): void {
    const client = this.#clients?.connect(socket);
    if (client) socket.once('close', () => this.exclusively(() => client.leave()).catch(() => {}));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= headerSize) {
        const size = received.readUInt32BE(2);
        if (size < headerSize || size > maxCommandSize) return socket.destroy();
        if (received.length < size) return;
        const command = received.subarray(0, size);
        received = received.subarray(size);
        this.#run(command, socket, client).catch(() => socket.destroy());
      }
    });
  }

  async #run(command: Buffer, socket: Socket, client: TpmClient | undefined): Promise<void> {
    const execute = (): Promise<Buffer> => this.#enqueue(() => this.#answer(command, client));
    const code = commandCodeOf(command);
    const record: TracedCommand = {
      code,
      name: commandName(code),
      responseCode: undefined,
      command: Buffer.from(command),
      response: undefined,
    };
    for (const trace of this.#traces) trace.push(record);
    const action = this.#takeFault(command, code);
    const answered = (response: Buffer): void => {
      record.response = response;
      if (response.length >= headerSize) record.responseCode = response.readUInt32BE(6);
      socket.write(response);
    };
    switch (action?.kind) {
      case undefined:
        return answered(await execute());
      case 'silence':
        return;
      case 'drop':
        socket.destroy();
        return;
      case 'delay':
        await sleep(action.ms, undefined, { ref: false });
        return answered(await execute());
      case 'before':
        await action.run();
        return answered(await execute());
      case 'error':
        return answered(Buffer.from(`80010000000a${action.responseCode.toString(16).padStart(8, '0')}`, 'hex'));
      case 'replace':
        return answered(Buffer.from(action.response));
      case 'corrupt': {
        const response = Buffer.from(await execute());
        const last = response.length - 1;
        if (last >= headerSize) response[last] = (response[last] ?? 0) ^ 1;
        return answered(response);
      }
      case 'truncate': {
        const response = await execute();
        answered(response.subarray(0, action.bytes));
        socket.end();
      }
    }
  }

  /** The action of the first fault that strikes this command. */
  #takeFault(command: Buffer, code: number): TpmFaultAction | undefined {
    for (const entry of this.#faults) {
      const { fault } = entry;
      const wanted = typeof fault.command === 'string' ? CommandCode[fault.command] : fault.command;
      if (wanted !== undefined && wanted !== code) continue;
      if (fault.matches && !fault.matches(command)) continue;
      if (entry.waiting > 0) {
        entry.waiting--;
        continue;
      }
      if (--entry.left <= 0) this.#faults.splice(this.#faults.indexOf(entry), 1);
      return fault.action;
    }
    return undefined;
  }

  async #answer(command: Buffer, client = this.#clients?.host): Promise<Buffer> {
    const code = commandCodeOf(command);
    const emulated = await this.#nv.answer(command, code);
    if (emulated) {
      client?.answered(command);
      return emulated;
    }
    const response = await (client ? client.execute(command) : this.#target.transport(command));
    return this.#nv.amend(command, code, response);
  }

  #forwardControl(socket: Socket): void {
    const upstream = connect({ path: `${this.#target.socketPath}.ctrl` });
    this.#sockets.add(upstream);
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => {
      this.#sockets.delete(upstream);
      socket.end();
    });
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream);
    upstream.pipe(socket);
  }
}
