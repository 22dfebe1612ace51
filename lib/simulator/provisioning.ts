import { createPublicKey, type KeyObject } from 'node:crypto';
import type { EventLog } from './evidence/event-log.js';
import { placeholderDigest } from './evidence/platform.js';
import type { AkCertificateIndexOptions } from './options.js';
import type { EmulatedIndex, EmulatedNv } from './paravisor/emulated-nv.js';
import { freshRsaKeyPair } from './pki/key-pool.js';
import type { VtpmAuthority } from './pki/vtpm.js';
import type { TpmTransport } from './tpm/command.js';
import { AzureHandle, NvAttribute, PermanentHandle } from './tpm/constants.js';
import { TpmReader } from './tpm/encoding.js';
import { guestKeyImportBlob, provisionGuestKey } from './tpm/guest-key.js';
import { attestationKeyTemplate, createPersistentKey, endorsementKeyTemplate } from './tpm/keys.js';
import { nvDefineSpace, nvWrite } from './tpm/nv.js';
import { pcrExtend } from './tpm/pcr.js';

/** Reads of a pending index that are answered with TPM_RC_NV_UNINITIALIZED. */
const readsBeforeDelivery = 2;

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
  const contents = akIndexContents(options, () => authority.issueAkCertificate(attestationKey, vmId, options).der);
  const size = contents.length;
  const index = AzureHandle.attestationKeyCertificate;
  if (size > softwareTpmIndexSize || state === 'pending') {
    nv.define(
      state === 'pending'
        ? pendingIndex(index, contents)
        : { index, size, written: state === 'present', read: () => contents },
    );
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

/** The whole index: certificate or what is there in its place, and what follows it. */
function akIndexContents({ contents, indexSize, tail }: AkCertificateIndexOptions, certificate: () => Buffer): Buffer {
  if (contents === 'zeros') return Buffer.alloc(indexSize ?? 4096);
  const head = contents ?? certificate();
  const size = indexSize ?? head.length;
  const filling = Buffer.alloc(size, tail === 'stale' ? 'stale bytes of an older certificate ' : 0);
  return Buffer.concat([head, filling.subarray(0, Math.max(0, size - head.length))], size);
}

/** An index that is written a while after somebody has tried to read it, as OpenHCL's. */
function pendingIndex(index: number, contents: Buffer): EmulatedIndex {
  let reads = 0;
  return {
    index,
    size: contents.length,
    get written() {
      return reads >= readsBeforeDelivery;
    },
    awaited: () => {
      reads++;
    },
    read: () => contents,
  };
}

/**
 * Extends the PCRs as the boot that the log tells of did.
 *
 * @param unlogged PCRs that something else was measured into
 */
export async function replayBoot(tpm: TpmTransport, log: EventLog, unlogged: readonly number[] = []): Promise<void> {
  for (const { pcr, digests } of log.extends) await pcrExtend(tpm, pcr, digests);
  for (const pcr of unlogged) await pcrExtend(tpm, pcr, { sha256: placeholderDigest(`unlogged PCR ${pcr}`, 32) });
}

/** Imports the guest's key for provisioned secrets; resolves with its public half if it was made here. */
export async function provisionSecretsKey(
  tpm: TpmTransport,
  option: 'present' | 'absent' | Uint8Array = 'present',
): Promise<KeyObject | undefined> {
  if (option === 'absent') return undefined;
  if (option !== 'present') {
    await provisionGuestKey(tpm, option);
    return undefined;
  }
  const { privateKey, publicKey } = await freshRsaKeyPair();
  await provisionGuestKey(tpm, guestKeyImportBlob(privateKey));
  return publicKey;
}
