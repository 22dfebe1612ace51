import { createHash } from 'node:crypto';

/** One event of a log that a test makes: digests are of `measured`, which is the data unless it says otherwise. */
export interface MadeEvent {
  pcr: number;
  type: number;
  data: Uint8Array;
  measured?: Uint8Array;
  /** Banks that the event has digests for; default both. */
  banks?: ('sha1' | 'sha256')[];
}

const u16 = (value: number): Buffer => Buffer.from(new Uint16Array([value]).buffer);
const u32 = (value: number): Buffer => Buffer.from(new Uint32Array([value]).buffer);
const u64 = (value: number): Buffer => Buffer.from(new BigUint64Array([BigInt(value)]).buffer);
const ids = { sha1: 4, sha256: 0x0b } as const;

/** A crypto-agile log with the banks SHA-1 and SHA-256. */
export function makeLog(events: readonly MadeEvent[]): Buffer {
  const banks = Buffer.concat([u32(2), u16(4), u16(20), u16(0x0b), u16(32), Buffer.of(0)]);
  const data = Buffer.concat([Buffer.from('Spec ID Event03\0'), u32(0), Buffer.of(0, 2, 0, 2), banks]);
  const head = Buffer.concat([u32(0), u32(3), Buffer.alloc(20), u32(data.length), data]);
  return Buffer.concat([head, ...events.map(encodeEvent)]);
}

function encodeEvent({ pcr, type, data, measured = data, banks = ['sha1', 'sha256'] }: MadeEvent): Buffer {
  const digests = banks.map((bank) => Buffer.concat([u16(ids[bank]), createHash(bank).update(measured).digest()]));
  return Buffer.concat([u32(pcr), u32(type), u32(banks.length), ...digests, u32(data.length), data]);
}

export const EV = {
  noAction: 3,
  separator: 4,
  eventTag: 6,
  ipl: 0x0d,
  variable: 0x80000001,
  application: 0x80000003,
  action: 0x80000007,
  hcrtm: 0x80000010,
  authority: 0x800000e0,
} as const;

const GLOBAL = Buffer.from('61dfe48bca93d211aa0d00e098032b8c', 'hex');
const IMAGE_SECURITY = Buffer.from('cbb219d73a3d9645a3bcdad00e67656f', 'hex');

/** UEFI_VARIABLE_DATA. */
export function variableData(name: string, value: Uint8Array, guid: Uint8Array = GLOBAL): Buffer {
  const text = Buffer.from(name, 'utf16le');
  return Buffer.concat([guid, u64(name.length), u64(value.length), text, value]);
}

export const variable = (name: string, value: Uint8Array, guid?: Uint8Array): MadeEvent => ({
  pcr: 7,
  type: EV.variable,
  data: variableData(name, value, guid),
});

export const secureBoot = (on: boolean): MadeEvent => variable('SecureBoot', Buffer.of(on ? 1 : 0));
export const separator = (pcr: number, byte = 0): MadeEvent => ({
  pcr,
  type: EV.separator,
  data: Buffer.alloc(4, byte),
});
export const action = (pcr: number, text: string): MadeEvent => ({ pcr, type: EV.action, data: Buffer.from(text) });

/** An image that was started: its digest is of the file, its data are a path that proves nothing. */
export function application(path: string, file = path): MadeEvent {
  const text = Buffer.from(`${path}\0`, 'utf16le');
  const node = Buffer.concat([Buffer.of(4, 4), u16(text.length + 4), text]);
  const devicePath = Buffer.concat([node, Buffer.of(0x7f, 0xff, 4, 0)]);
  const data = Buffer.concat([Buffer.alloc(24), u64(devicePath.length), devicePath]);
  return { pcr: 4, type: EV.application, data, measured: Buffer.from(file) };
}

/** As GRUB does: the text without its label and without its terminator is measured. */
export const grub = (text: string, label = 'grub_cmd'): MadeEvent => ({
  pcr: 8,
  type: EV.ipl,
  data: Buffer.from(`${label}: ${text}\0`),
  measured: Buffer.from(text),
});

/** PCR 7 as firmware measures it. */
export function securityPolicy(on: boolean): MadeEvent[] {
  return [
    secureBoot(on),
    variable('PK', Buffer.from('platform key')),
    variable('KEK', Buffer.from('exchange key')),
    variable('db', Buffer.from('allowed'), IMAGE_SECURITY),
    variable('dbx', Buffer.from('forbidden'), IMAGE_SECURITY),
    separator(7),
  ];
}

export const KERNEL = '/vmlinuz root=/dev/sda1 ro';

/** A boot by shim and GRUB. */
export function linuxBoot(on = false): MadeEvent[] {
  return [
    { pcr: 0, type: 8, data: Buffer.from('firmware') },
    ...securityPolicy(on),
    action(4, 'Calling EFI Application from Boot Option'),
    ...[0, 1, 2, 3, 4, 5, 6].map((pcr) => separator(pcr)),
    application('\\EFI\\shimx64.efi'),
    application('\\EFI\\grubx64.efi'),
    grub('set default=0'),
    grub(`linux ${KERNEL}`),
    grub(KERNEL, 'kernel_cmdline'),
  ];
}
