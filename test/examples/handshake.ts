import type { AttestationClient } from '../../lib/index.js';
import { createLoopbackTls, type LoopbackTls, SimulatedCvm } from '../../lib/simulator/index.js';
import { importExample } from './run.js';

export interface SecretsManager {
  url: string;
  stop(): Promise<void>;
}

/** What both handshakes are tried on: the VM that may have the secret, a stranger, and the secrets manager between them. */
export class HandshakeScene {
  readonly secret = Buffer.from('the database password');
  #manager: SecretsManager | undefined;

  private constructor(
    readonly cvm: SimulatedCvm,
    readonly other: SimulatedCvm,
    readonly tls: LoopbackTls,
    readonly post: (url: string, ca: string, body: unknown) => Promise<Record<string, string>>,
    readonly client: AttestationClient = cvm.client(),
    readonly stranger: AttestationClient = other.client(),
  ) {}

  /** @param startManager the relying party, which learns the machines here */
  static async start(startManager: (scene: HandshakeScene) => Promise<SecretsManager>): Promise<HandshakeScene> {
    const { post } = await importExample<Pick<HandshakeScene, 'post'>>('secrets-manager.mjs');
    const [cvm, other, tls] = await Promise.all([SimulatedCvm.start(), SimulatedCvm.start(), createLoopbackTls()]);
    const scene = new HandshakeScene(cvm, other, tls, post);
    scene.#manager = await startManager(scene);
    return scene;
  }

  get access(): { secretsManagerUrl: string; ca: string } {
    return { secretsManagerUrl: this.#manager?.url ?? '', ca: this.tls.ca.pem };
  }

  ask(path: string, body: unknown): Promise<Record<string, string>> {
    const { secretsManagerUrl, ca } = this.access;
    return this.post(`${secretsManagerUrl}${path}`, ca, body);
  }

  async freshNonce(): Promise<string> {
    return (await this.ask('/nonce', {})).nonce ?? '';
  }

  async stop(): Promise<void> {
    await this.#manager?.stop();
    await Promise.all([this.client.close(), this.stranger.close()]);
    await Promise.all([this.cvm.stop(), this.other.stop()]);
  }
}
