import type { KeyObject } from 'node:crypto';
import { execute, type TpmTransport } from './command.js';
import { Algorithm, AzureHandle, CommandCode, ObjectAttribute, PermanentHandle } from './constants.js';
import { TpmReader, TpmWriter } from './encoding.js';
import { createPersistentKey, evictControl, flushContext } from './keys.js';

/** TPMT_PUBLIC of the RSA-2048 storage root key, with AES-128-CFB for its children. */
function storageRootKeyTemplate(): Buffer {
  const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, noDictionaryAttack, restricted, decrypt } =
    ObjectAttribute;
  return new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth | noDictionaryAttack | restricted | decrypt)
    .u16(0)
    .u16(Algorithm.aes)
    .u16(128)
    .u16(Algorithm.cfb)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(Buffer.alloc(256))
    .toBuffer();
}

/**
 * What the host keeps for the guest's secrets key (key-release.md 2.1): TPM2B_PUBLIC, a TPM2B_PRIVATE that holds the plain
 * TPM2B_SENSITIVE, and an empty TPM2B_ENCRYPTED_SECRET. 422 bytes for RSA-2048.
 */
export function guestKeyImportBlob(privateKey: KeyObject): Buffer {
  const { n = '', p = '' } = privateKey.export({ format: 'jwk' });
  const publicArea = new TpmWriter()
    .u16(Algorithm.rsa)
    .u16(Algorithm.sha256)
    .u32(ObjectAttribute.userWithAuth | ObjectAttribute.decrypt)
    .u16(0)
    .u16(Algorithm.null)
    .u16(Algorithm.null)
    .u16(2048)
    .u32(0)
    .sized(Buffer.from(n, 'base64url'))
    .toBuffer();
  // TPMT_SENSITIVE: type, empty authorization value, empty seed, one prime.
  const sensitive = new TpmWriter().u16(Algorithm.rsa).u16(0).u16(0).sized(Buffer.from(p, 'base64url')).toBuffer();
  const privateArea = new TpmWriter().sized(sensitive).toBuffer();
  return new TpmWriter().sized(publicArea).sized(privateArea).u16(0).toBuffer();
}

/** Provisions the guest's secrets key at 0x81000004 as OpenHCL does at boot: Import, Load, EvictControl. */
export async function provisionGuestKey(tpm: TpmTransport, blob: Uint8Array): Promise<void> {
  const { storageRootKey, guestKey } = AzureHandle;
  const { owner } = PermanentHandle;
  await createPersistentKey(tpm, owner, storageRootKeyTemplate(), storageRootKey);
  const reader = new TpmReader(blob);
  const [publicArea, duplicate, seed] = [reader.sized(), reader.sized(), reader.sized()];
  reader.end();
  const imported = await execute(tpm, {
    code: CommandCode.Import,
    handles: [storageRootKey],
    authorized: 1,
    parameters: new TpmWriter().u16(0).sized(publicArea).sized(duplicate).sized(seed).u16(Algorithm.null).toBuffer(),
  });
  const { handles } = await execute(
    tpm,
    {
      code: CommandCode.Load,
      handles: [storageRootKey],
      authorized: 1,
      parameters: new TpmWriter().sized(imported.parameters.sized()).sized(publicArea).toBuffer(),
    },
    1,
  );
  const [loaded = 0] = handles;
  await evictControl(tpm, loaded, guestKey);
  await flushContext(tpm, loaded);
}
