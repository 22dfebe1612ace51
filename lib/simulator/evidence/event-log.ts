import { createHash } from 'node:crypto';
import { Algorithm } from '../tpm/constants.js';
import { digestSizes, type PcrBankName } from '../tpm/pcr.js';
import { secureBootVariables, verifyingAuthority } from './secure-boot-keys.js';

/** Event types of the TCG PC Client Platform Firmware Profile, table 27. */
const EventType = {
  noAction: 0x3,
  separator: 0x4,
  crtmVersion: 0x8,
  platformConfigFlags: 0xa,
  eventTag: 0x6,
  ipl: 0xd,
  efiVariableDriverConfig: 0x80000001,
  efiVariableBoot: 0x80000002,
  efiBootServicesApplication: 0x80000003,
  efiGptEvent: 0x80000006,
  efiAction: 0x80000007,
  efiPlatformFirmwareBlob: 0x80000008,
  efiVariableAuthority: 0x800000e0,
} as const;

const banks: readonly PcrBankName[] = ['sha1', 'sha256'];

/** One measured event. */
export interface BootEvent {
  pcr: number;
  type: number;
  data: Buffer;
  /** What was hashed, where that is not the event's data (PE images, for one). */
  measured?: Buffer;
}

export interface EventLog {
  /** The log in the crypto-agile format, as the kernel shows it. */
  bytes: Buffer;
  /** In order: each is extended into its PCR. */
  extends: { pcr: number; digests: Partial<Record<PcrBankName, Buffer>> }[];
}

const globalVariable = Buffer.from('61dfe48bca93d211aa0d00e098032b8c', 'hex');
const imageSecurityDatabase = Buffer.from('cbb219d73a3d9645a3bcdad00e67656f', 'hex');
const shimLock = Buffer.from('50ab5d6046e00043abb63dd810dd8b23', 'hex');

/** UEFI_VARIABLE_DATA */
function efiVariable(vendor: Buffer, name: string, value: Uint8Array): Buffer {
  const sizes = Buffer.alloc(16);
  sizes.writeBigUInt64LE(BigInt(name.length), 0);
  sizes.writeBigUInt64LE(BigInt(value.length), 8);
  return Buffer.concat([vendor, sizes, Buffer.from(name, 'utf16le'), value]);
}

/** UEFI_IMAGE_LOAD_EVENT with a file path as device path. */
function imageLoad(path: string, size: number): Buffer {
  const text = Buffer.from(`${path}\0`, 'utf16le');
  const node = Buffer.concat([Uint8Array.of(4, 4, (text.length + 4) & 0xff, (text.length + 4) >> 8), text]);
  const devicePath = Buffer.concat([node, Uint8Array.of(0x7f, 0xff, 4, 0)]);
  const head = Buffer.alloc(32);
  head.writeBigUInt64LE(0xbc818018n, 0);
  head.writeBigUInt64LE(BigInt(size), 8);
  head.writeBigUInt64LE(BigInt(devicePath.length), 24);
  return Buffer.concat([head, devicePath]);
}

/** UEFI_GPT_DATA: header of a disk and no partition entries. */
function gptEvent(): Buffer {
  const header = Buffer.alloc(92);
  header.write('EFI PART', 0, 'latin1');
  header.writeUInt32LE(0x00010000, 8);
  header.writeUInt32LE(92, 12);
  header.writeBigUInt64LE(1n, 24);
  return Buffer.concat([header, Buffer.alloc(8)]);
}

/** The events of a measured Linux boot: firmware, secure boot variables, shim, GRUB, the kernel. */
export function linuxBoot(options: { secureBoot: boolean }): BootEvent[] {
  const variable = (name: string, vendor: Buffer, value: Uint8Array): BootEvent => ({
    pcr: 7,
    type: EventType.efiVariableDriverConfig,
    data: efiVariable(vendor, name, value),
  });
  const image = (path: string): BootEvent => ({
    pcr: 4,
    type: EventType.efiBootServicesApplication,
    data: imageLoad(path, 0x0e_c008),
    measured: Buffer.from(`simulated PE image ${path}`),
  });
  const text = (pcr: number, type: number, value: string): BootEvent => ({
    pcr,
    type,
    data: Buffer.from(value, 'ascii'),
  });
  const separator = (pcr: number): BootEvent => ({ pcr, type: EventType.separator, data: Buffer.alloc(4) });
  const kernelCommandLine = '/boot/vmlinuz-6.8.0-1010-azure-fde root=LABEL=cloudimg-rootfs ro console=ttyS0';
  const command = `linux ${kernelCommandLine}`;
  const kernelPath = '(hd0,gpt1)/boot/vmlinuz-6.8.0-1010-azure-fde';
  const bootOrder = Buffer.alloc(2);
  const { PK, KEK, db, dbx } = secureBootVariables;
  const authority = efiVariable(imageSecurityDatabase, 'db', verifyingAuthority);
  return [
    { pcr: 0, type: EventType.crtmVersion, data: Buffer.from('Simulated UEFI Firmware v1\0', 'utf16le') },
    {
      pcr: 0,
      type: EventType.efiPlatformFirmwareBlob,
      data: Buffer.from('000080ff000000000000400000000000', 'hex'),
      measured: Buffer.from('simulated firmware volume'),
    },
    variable('SecureBoot', globalVariable, Uint8Array.of(options.secureBoot ? 1 : 0)),
    variable('PK', globalVariable, PK),
    variable('KEK', globalVariable, KEK),
    variable('db', imageSecurityDatabase, db),
    variable('dbx', imageSecurityDatabase, dbx),
    separator(7),
    text(1, EventType.platformConfigFlags, 'ACPI DATA'),
    // The digest of a boot variable is over its value alone.
    {
      pcr: 1,
      type: EventType.efiVariableBoot,
      data: efiVariable(globalVariable, 'BootOrder', bootOrder),
      measured: bootOrder,
    },
    text(4, EventType.efiAction, 'Calling EFI Application from Boot Option'),
    ...[0, 1, 2, 3, 4, 5, 6].map(separator),
    ...(options.secureBoot ? [{ pcr: 7, type: EventType.efiVariableAuthority, data: authority }] : []),
    { pcr: 5, type: EventType.efiGptEvent, data: gptEvent() },
    image('\\EFI\\ubuntu\\shimx64.efi'),
    {
      pcr: 7,
      type: EventType.efiVariableAuthority,
      data: efiVariable(shimLock, 'SbatLevel', Buffer.from('sbat,1,2021030218\n')),
    },
    { pcr: 14, type: EventType.ipl, data: Buffer.from('MokList\0'), measured: Buffer.alloc(1) },
    image('\\EFI\\ubuntu\\grubx64.efi'),
    image('\\EFI\\ubuntu\\kernel.efi'),
    // GRUB measures the command without its prefix, and of a file what is in it.
    { ...text(8, EventType.ipl, `grub_cmd: ${command}\0`), measured: Buffer.from(command, 'ascii') },
    { ...text(8, EventType.ipl, `kernel_cmdline: ${kernelCommandLine}\0`), measured: Buffer.from(kernelCommandLine) },
    { ...text(9, EventType.ipl, `${kernelPath}\0`), measured: Buffer.from(`simulated contents of ${kernelPath}`) },
    text(5, EventType.efiAction, 'Exit Boot Services Invocation'),
    text(5, EventType.efiAction, 'Exit Boot Services Returned with Success'),
  ];
}

/** Writes a crypto-agile log with SHA-1 and SHA-256 digests (TCG PC Client Platform Firmware Profile, 10.4). */
export function buildEventLog(events: readonly BootEvent[]): EventLog {
  const start: EventLog = { bytes: specificationEvent(), extends: [] };
  return events.reduce((log, event) => {
    const { data, measured = data } = event;
    const hash = (bank: PcrBankName): Buffer => createHash(bank).update(measured).digest();
    return appendEvent(log, event, { sha1: hash('sha1'), sha256: hash('sha256') });
  }, start);
}

/**
 * The log as Windows ends it: events of its loader with SHA-256 digests alone, then the trust point, an EV_NO_ACTION at a
 * PCR that does not exist.
 */
export function appendWindowsEvents(log: EventLog): EventLog {
  const loader = [11, 12, 13].reduce((so, pcr) => {
    const data = Buffer.from(`simulated Windows boot event ${pcr}`);
    const sha256 = createHash('sha256').update(data).digest();
    return appendEvent(so, { pcr, type: EventType.eventTag, data }, { sha256 });
  }, log);
  const trustPoint = marshalEvent(0xffffffff, EventType.noAction, Buffer.alloc(68), { sha256: Buffer.alloc(32) });
  return { ...loader, bytes: Buffer.concat([loader.bytes, trustPoint]) };
}

/** The log with one more event at its end. */
function appendEvent(
  log: EventLog,
  { pcr, type, data }: BootEvent,
  digests: Partial<Record<PcrBankName, Buffer>>,
): EventLog {
  return {
    bytes: Buffer.concat([log.bytes, marshalEvent(pcr, type, data, digests)]),
    extends: [...log.extends, { pcr, digests }],
  };
}

/** The log after something has been measured into a PCR by its digest alone. */
export function appendMeasurement(log: EventLog, pcr: number, sha256: Uint8Array): EventLog {
  const digests = { sha1: createHash('sha1').update(sha256).digest(), sha256: Buffer.from(sha256) };
  return appendEvent(log, { pcr, type: EventType.ipl, data: Buffer.from('simulated measurement\0') }, digests);
}

/** TCG_EfiSpecIDEvent in the SHA-1 format of old: the log's own header. */
function specificationEvent(): Buffer {
  const algorithms = banks.map((bank) => {
    const entry = Buffer.alloc(4);
    entry.writeUInt16LE(Algorithm[bank], 0);
    entry.writeUInt16LE(digestSizes[bank], 2);
    return entry;
  });
  const count = Buffer.alloc(4);
  count.writeUInt32LE(algorithms.length);
  // platform class 0, specification 2.0 errata 2, 64-bit UINTN; no vendor information at the end
  const fixed = Buffer.concat([Buffer.from('Spec ID Event03\0', 'latin1'), Uint8Array.of(0, 0, 0, 0, 0, 2, 2, 2)]);
  const data = Buffer.concat([fixed, count, ...algorithms, Uint8Array.of(0)]);
  const head = Buffer.alloc(32);
  head.writeUInt32LE(EventType.noAction, 4);
  head.writeUInt32LE(data.length, 28);
  return Buffer.concat([head, data]);
}

/** TCG_PCR_EVENT2 */
function marshalEvent(pcr: number, type: number, data: Buffer, digests: Partial<Record<PcrBankName, Buffer>>): Buffer {
  const head = Buffer.alloc(12);
  const present = banks.flatMap((bank) => (digests[bank] ? [{ bank, digest: digests[bank] }] : []));
  head.writeUInt32LE(pcr, 0);
  head.writeUInt32LE(type, 4);
  head.writeUInt32LE(present.length, 8);
  const marshalled = present.map(({ bank, digest }) => {
    const algorithm = Buffer.alloc(2);
    algorithm.writeUInt16LE(Algorithm[bank]);
    return Buffer.concat([algorithm, digest]);
  });
  const size = Buffer.alloc(4);
  size.writeUInt32LE(data.length);
  return Buffer.concat([head, ...marshalled, size, data]);
}
