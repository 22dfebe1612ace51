import { createPublicKey, type KeyObject } from 'node:crypto';
import type { EventLog } from './evidence/event-log.js';
import type { AkCertificateIndexOptions } from './options.js';
import type { EmulatedNv } from './paravisor/emulated-nv.js';
import type { VtpmAuthority } from './pki/vtpm.js';
import type { TpmTransport } from './tpm/command.js';
import { AzureHandle, NvAttribute, PermanentHandle } from './tpm/constants.js';
import { TpmReader } from './tpm/encoding.js';
import { attestationKeyTemplate, createPersistentKey, endorsementKeyTemplate } from './tpm/keys.js';
import { nvDefineSpace, nvWrite } from './tpm/nv.js';
import { pcrExtend } from './tpm/pcr.js';

/** Largest index that the software TPM can hold. */
const softwareTpmIndexSize = 2048;

/** RSA key of a TPMT_PUBLIC of one of our own templates. */
function rsaPublicKey(publicArea: Buffer, symmetricSize: number, schemeSize: number): KeyObject {
  const reader = new TpmReader(publicArea);
  reader.bytes(8);
  reader.sized();
  reader.bytes(symmetricSize + schemeSize + 2);
  const exponent = reader.u32() || 65537;
  const n = reader.sized().toString('base64url');
  const e = Buffer.from(exponent.toString(16).padStart(6, '0'), 'hex').toString('base64url');
  return createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
}

/** Makes the keys that the platform puts into a guest's TPM: the attestation key and the endorsement key. */
export async function provisionKeys(
  tpm: TpmTransport,
): Promise<{ attestationKey: KeyObject; endorsementKey: KeyObject }> {
  const { endorsement } = PermanentHandle;
  const attestation = await createPersistentKey(tpm, endorsement, attestationKeyTemplate(), AzureHandle.attestationKey);
  const ek = await createPersistentKey(tpm, endorsement, endorsementKeyTemplate(), AzureHandle.endorsementKey);
  return {
    attestationKey: rsaPublicKey(attestation, 2, 4),
    endorsementKey: rsaPublicKey(ek, 6, 2),
  };
}

/** Puts a certificate of the attestation key into NV 0x01C101D0. */
export async function provisionAkCertificate(
  tpm: TpmTransport,
  nv: EmulatedNv,
  authority: VtpmAuthority,
  vmId: string,
  attestationKey: KeyObject,
  options: AkCertificateIndexOptions = {},
): Promise<void> {
  const { state = 'present', platformCreated = false } = options;
  if (state === 'absent') return;
  const certificate = options.contents ?? authority.issueAkCertificate(attestationKey, vmId, options).der;
  const size = options.indexSize ?? certificate.length;
  const contents = Buffer.concat([certificate, Buffer.alloc(size)], size);
  const index = AzureHandle.attestationKeyCertificate;
  if (size > softwareTpmIndexSize) {
    nv.define({ index, size, written: state === 'present', read: () => contents });
    return;
  }
  const { ownerRead, ownerWrite, authRead, authWrite, platformRead, platformWrite, noDictionaryAttack } = NvAttribute;
  const readable = ownerRead | authRead | noDictionaryAttack;
  const [hierarchy, attributes] = platformCreated
    ? [PermanentHandle.platform, readable | platformRead | platformWrite | NvAttribute.platformCreated]
    : [PermanentHandle.owner, readable | ownerWrite | authWrite];
  await nvDefineSpace(tpm, hierarchy, { index, attributes, size });
  if (state === 'present') await nvWrite(tpm, hierarchy, index, contents);
}

/** Extends the PCRs as the boot that the log tells of did. */
export async function replayBoot(tpm: TpmTransport, log: EventLog): Promise<void> {
  for (const { pcr, digests } of log.extends) await pcrExtend(tpm, pcr, digests);
}
