import { join } from 'node:path';
import { EmulatedNv } from '../../lib/simulator/paravisor/emulated-nv.js';
import { TpmProxy } from '../../lib/simulator/paravisor/proxy.js';
import { TestTpm } from './test-tpm.js';

/** A software TPM behind a proxy, which sees every command and can do to it what a TPM does not. */
export class ProxiedTpm {
  private constructor(
    readonly swtpm: TestTpm,
    readonly proxy: TpmProxy,
  ) {}

  static async start(): Promise<ProxiedTpm> {
    const tpm = await TestTpm.start();
    const nv = new EmulatedNv(tpm.swtpm.transport);
    return new ProxiedTpm(tpm, await TpmProxy.listen(join(tpm.folder, 'proxy'), tpm.swtpm, nv));
  }

  /** How a client comes to the TPM through the proxy. */
  get tcti(): string {
    return `swtpm:path=${this.proxy.socketPath}`;
  }

  async stop(): Promise<void> {
    await this.proxy.close();
    await this.swtpm.stop();
  }
}
