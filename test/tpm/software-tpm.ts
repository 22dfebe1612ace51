import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Handle of the attestation key on an Azure guest. */
export const AK_HANDLE = 0x8100_0003;

/**
 * A bare swtpm without a resource manager, and the raw TPM commands that set it up: independent of the library, so that
 * the library's own commands can be judged by it.
 */
export class SoftwareTpm {
  #process: ChildProcess | undefined;
  private constructor(readonly directory: string) {}

  static async start(): Promise<SoftwareTpm> {
    const tpm = new SoftwareTpm(await mkdtemp(join(tmpdir(), 'swtpm-')));
    await tpm.boot();
    return tpm;
  }

  get tcti(): string {
    return `swtpm:path=${this.#socket}`;
  }

  get #socket(): string {
    return join(this.directory, 'sock');
  }

  async boot(): Promise<void> {
    // setpriv: the TPM dies with this process, however that ends.
    this.#process = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'swtpm', 'socket', '--tpm2', '--tpmstate', `dir=${this.directory}`],
        ...['--server', `type=unixio,path=${this.#socket}`, '--ctrl', `type=unixio,path=${this.#socket}.ctrl`],
        ...['--flags', 'not-need-init,startup-clear'],
      ],
      { stdio: 'ignore' },
    );
    for (let attempt = 0; ; attempt++) {
      if (existsSync(`${this.#socket}.ctrl`) && (await this.command('80010000000c0000017b0008').catch(() => undefined)))
        return;
      if (attempt === 500) throw new Error('swtpm did not start');
      await sleep(10);
    }
  }

  /** Power off, without the TPM's consent. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    await rm(this.#socket, { force: true });
    await rm(`${this.#socket}.ctrl`, { force: true });
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.boot();
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends one command as hexadecimal text, over a connection of its own; returns the whole response. */
  async command(hex: string): Promise<Buffer> {
    const socket = connect(this.#socket);
    try {
      socket.write(Buffer.from(hex, 'hex'));
      let response = Buffer.alloc(0);
      for await (const chunk of socket) {
        response = Buffer.concat([response, chunk as Buffer]);
        if (response.length >= 10 && response.length >= response.readUInt32BE(2)) break;
      }
      return response;
    } finally {
      socket.destroy();
    }
  }

  /** Like {@link command}, from the parts behind the header; throws unless the TPM says success. */
  async run(tag: '8001' | '8002', code: string, rest: string): Promise<Buffer> {
    const size = (10 + rest.length / 2).toString(16).padStart(8, '0');
    const response = await this.command(`${tag}${size}${code}${rest}`);
    const rc = response.readUInt32BE(6);
    if (rc !== 0) throw new Error(`TPM command ${code}: 0x${rc.toString(16)}`);
    return response.subarray(10);
  }

  async extendPcr(index: number, bank: 'sha1' | 'sha256' = 'sha256'): Promise<void> {
    const [algorithm, size] = bank === 'sha1' ? ['0004', 20] : ['000b', 32];
    await this.run('8002', '00000182', `${hex32(index)}${PASSWORD}00000001${algorithm}${'ab'.repeat(size)}`);
  }

  /** Makes the attestation key with Azure's template and keeps it at 0x81000003. */
  async provisionAttestationKey(): Promise<void> {
    const template = `0001000b000504720000${'0010'}${'0014000b'}${'0800'}${'00000000'}${'0000'}`;
    const inPublic = `${hex16(template.length / 2)}${template}`;
    const created = await this.run('8002', '00000131', `4000000b${PASSWORD}000400000000${inPublic}000000000000`);
    const handle = created.subarray(0, 4).toString('hex');
    await this.run('8002', '00000120', `40000001${handle}${PASSWORD}${hex32(AK_HANDLE)}`);
    await this.run('8001', '00000165', handle);
  }

  /** Handles of a range: 0x80000000 transient objects, 0x02000000 loaded sessions. */
  async handles(first: number): Promise<number[]> {
    const data = await this.run('8001', '0000017a', `00000001${hex32(first)}000000fe`);
    const count = data.readUInt32BE(5);
    return Array.from({ length: count }, (_, i) => data.readUInt32BE(9 + 4 * i));
  }

  async loaded(): Promise<number> {
    return (await this.handles(0x8000_0000)).length + (await this.handles(0x0200_0000)).length;
  }
}

/** Authorisation area: one empty password. */
export const PASSWORD = '00000009400000090000000000';

const hex16 = (value: number): string => value.toString(16).padStart(4, '0');
const hex32 = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
