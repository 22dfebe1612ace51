import { execute, type TpmTransport } from './command.js';
import { Algorithm, CommandCode, ObjectAttribute, PermanentHandle } from './constants.js';
import { TpmWriter } from './encoding.js';

/** TPMT_PUBLIC of the platform's attestation key: RSA-2048, RSASSA with SHA-256, restricted (attributes 0x00050472). */
export function attestationKeyTemplate(): Buffer {
  const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, noDictionaryAttack, restricted, sign } =
    ObjectAttribute;
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDictionaryAttack | restricted | sign)
    .sized(Buffer.alloc(0))
    .u16(Algorithm.null)
    .u16(Algorithm.rsassa)
    .u16(Algorithm.sha256)
    .u16(2048)
    .u32(0)
    .sized(Buffer.alloc(0))
    .toBuffer();
}

/** TPMT_PUBLIC of the RSA-2048 endorsement key, template L-1 of the TCG EK Credential Profile. */
export function endorsementKeyTemplate(): Buffer {
  const { fixedTpm, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt } = ObjectAttribute;
  // PolicySecret(TPM_RH_ENDORSEMENT)
  const policy = Buffer.from('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa', 'hex');
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(fixedTpm | fixedParent | sensitiveDataOrigin | adminWithPolicy | restricted | decrypt)
    .sized(policy)
    .u16(Algorithm.aes)
    .u16(128)
    .u16(Algorithm.cfb)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(Buffer.alloc(256))
    .toBuffer();
}

/** Creates a primary key with an empty password; resolves with its handle and its TPMT_PUBLIC. */
export async function createPrimary(
  transport: TpmTransport,
  hierarchy: number,
  template: Uint8Array,
): Promise<{ handle: number; publicArea: Buffer }> {
  const emptySensitive = Buffer.alloc(4);
  const { handles, parameters } = await execute(
    transport,
    {
      code: CommandCode.CreatePrimary,
      handles: [hierarchy],
      authorized: 1,
      parameters: new TpmWriter().sized(emptySensitive).sized(template).u16(0).u32(0).toBuffer(),
    },
    1,
  );
  return { handle: handles[0] as number, publicArea: Buffer.from(parameters.sized()) };
}

/** Makes a loaded primary persistent under `persistentHandle`, owner hierarchy. */
export async function evictControl(transport: TpmTransport, handle: number, persistentHandle: number): Promise<void> {
  await execute(transport, {
    code: CommandCode.EvictControl,
    handles: [PermanentHandle.owner, handle],
    authorized: 1,
    parameters: new TpmWriter().u32(persistentHandle).toBuffer(),
  });
}

export async function flushContext(transport: TpmTransport, handle: number): Promise<void> {
  await execute(transport, {
    code: CommandCode.FlushContext,
    parameters: new TpmWriter().u32(handle).toBuffer(),
  });
}

/** Creates a primary key and keeps it under `persistentHandle`; resolves with its TPMT_PUBLIC. */
export async function createPersistentKey(
  transport: TpmTransport,
  hierarchy: number,
  template: Uint8Array,
  persistentHandle: number,
): Promise<Buffer> {
  const { handle, publicArea } = await createPrimary(transport, hierarchy, template);
  await evictControl(transport, handle, persistentHandle);
  await flushContext(transport, handle);
  return publicArea;
}
