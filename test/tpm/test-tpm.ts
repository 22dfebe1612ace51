import { constants, createPublicKey, type KeyObject, publicEncrypt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HandleRange, listHandles } from '../../lib/simulator/tpm/capability.js';
import { AzureHandle, PermanentHandle } from '../../lib/simulator/tpm/constants.js';
import { attestationKeyTemplate, createPersistentKey } from '../../lib/simulator/tpm/keys.js';
import { pcrExtend } from '../../lib/simulator/tpm/pcr.js';
import { SoftwareTpm } from '../../lib/simulator/tpm/software-tpm.js';

export const AK_HANDLE = AzureHandle.attestationKey;
/** The PCRs of the guest attestation protocol. */
export const PCRS = [0, 1, 2, 3, 4, 5, 6, 7];

/** A bare swtpm without a resource manager and with an attestation key: what is under test talks to it directly. */
export class TestTpm {
  private constructor(
    readonly swtpm: SoftwareTpm,
    readonly folder: string,
  ) {}

  static async start(): Promise<TestTpm> {
    const folder = await mkdtemp(join(tmpdir(), 'swtpm-'));
    const tpm = new TestTpm(await SoftwareTpm.start(folder), folder);
    const { transport } = tpm.swtpm;
    await createPersistentKey(transport, PermanentHandle.endorsement, attestationKeyTemplate(), AK_HANDLE);
    return tpm;
  }

  get tcti(): string {
    return this.swtpm.tcti;
  }

  async extendPcr(index: number, bank: 'sha1' | 'sha256' = 'sha256'): Promise<void> {
    await pcrExtend(this.swtpm.transport, index, { [bank]: Buffer.alloc(bank === 'sha1' ? 20 : 32, 0xab) });
  }

  /** How many objects and sessions are in the TPM. */
  async loaded(): Promise<number> {
    const { transport } = this.swtpm;
    const objects = await listHandles(transport, HandleRange.transient);
    const sessions = await listHandles(transport, HandleRange.loadedSession);
    return objects.length + sessions.length;
  }

  async stop(): Promise<void> {
    await this.swtpm.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Key of the TPM2B_PUBLIC of an RSA key. */
export function rsaKey(publicArea: Buffer): KeyObject {
  const n = publicArea.subarray(publicArea.length - 256).toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
}

/** A message as a content key is wrapped: RSA-OAEP-256, to the key of a TPM2B_PUBLIC. */
export function wrapFor(publicArea: Buffer, message: Buffer): Buffer {
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key: rsaKey(publicArea), padding, oaepHash: 'sha256' }, message);
}
