import { latin1Text, textOfUnits } from '../../base/bytes.js';
import { hex } from '../../base/hex.js';
import { LogReader } from './log-reader.js';

/** UEFI_VARIABLE_DATA: a variable as it was measured. */
export interface EfiVariable {
  /** Vendor GUID, RFC 4122 text. */
  guid: string;
  name: string;
  data: Uint8Array;
}

/** Undefined when the bytes are not a whole UEFI_VARIABLE_DATA. */
export function readVariable(bytes: Uint8Array): EfiVariable | undefined {
  const reader = new LogReader(bytes);
  const guid = guidText(reader.take(16));
  const nameLength = reader.u64();
  const dataLength = reader.u64();
  const name = ucs2(reader.take(nameLength * 2));
  const data = reader.take(dataLength);
  return reader.failed ? undefined : { guid, name, data };
}

/** Device path of an UEFI_IMAGE_LOAD_EVENT, as text: file paths in full, other nodes by type. */
export function readImagePath(bytes: Uint8Array): string | undefined {
  const reader = new LogReader(bytes);
  reader.take(24); // location, length and link-time address in memory
  const path = reader.take(reader.u64());
  return reader.failed ? undefined : devicePath(path);
}

const FILE_PATH = '4,4';
const END = 0x7f;
const NODE_NAMES: Readonly<Record<string, string>> = {
  '1,1': 'Pci',
  '2,1': 'Acpi',
  '3,2': 'Scsi',
  '3,23': 'NVMe',
  '3,18': 'Sata',
  '4,1': 'HD',
  '4,3': 'VenMedia',
  '4,6': 'FvFile',
  '4,7': 'Fv',
};

function devicePath(bytes: Uint8Array): string {
  const reader = new LogReader(bytes);
  const nodes: string[] = [];
  while (reader.left >= 4 && nodes.length < 64) {
    const [type, subtype] = reader.take(2);
    const body = reader.take(reader.u16() - 4);
    if (type === END || reader.failed) break;
    nodes.push(nodeText(`${type},${subtype}`, body));
  }
  return nodes.join('/');
}

function nodeText(kind: string, body: Uint8Array): string {
  if (kind === FILE_PATH) return ucs2(body);
  const name = NODE_NAMES[kind] ?? `Path(${kind})`;
  if (name === 'HD' && body.length >= 36) return `HD(${guidText(body.subarray(20, 36))})`;
  return name.startsWith('Fv') && body.length === 16 ? `${name}(${guidText(body)})` : name;
}

/** A UEFI_GPT_DATA: disk and partition names. */
export function describePartitions(bytes: Uint8Array): string | undefined {
  const reader = new LogReader(bytes);
  const header = reader.take(92);
  if (latin1Text(header.subarray(0, 8)) !== 'EFI PART') return undefined;
  const count = Math.min(reader.u64(), 256);
  const partitions: string[] = [];
  while (partitions.length < count) {
    const entry = reader.take(128);
    if (reader.failed) break;
    partitions.push(ucs2(entry.subarray(56)) || guidText(entry.subarray(0, 16)));
  }
  return `disk ${guidText(header.subarray(56, 72))}: ${partitions.join(', ')}`;
}

/** How many entries of which kind a signature database (db, dbx, KEK, PK) holds: `x509 2, sha256 371`. */
export function describeSignatures(bytes: Uint8Array): string | undefined {
  const reader = new LogReader(bytes);
  const counts = new Map<string, number>();
  for (let lists = 0; reader.left > 0; lists++) {
    const type = guidText(reader.take(16));
    const listSize = reader.u32();
    const headerSize = reader.u32();
    const size = reader.u32();
    const entries = reader.take(listSize - 28).length - headerSize;
    if (reader.failed || lists === MAXIMUM_SIGNATURE_LISTS || size === 0 || entries < 0) return undefined;
    const name = SIGNATURE_TYPES[type] ?? type;
    counts.set(name, (counts.get(name) ?? 0) + Math.floor(entries / size));
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

// Genuine databases have one list a kind, or one a certificate: a few dozen.
const MAXIMUM_SIGNATURE_LISTS = 256;
const SIGNATURE_TYPES: Readonly<Record<string, string>> = {
  'a5c059a1-94e4-4aa7-87b5-ab155c2bf072': 'x509',
  'c1c41626-504c-4092-aca9-41f936934328': 'sha256',
};

/** EFI_GUID to text: its first three fields are little-endian. */
function guidText(bytes: Uint8Array): string {
  return hex(bytes).replace(/^(..)(..)(..)(..)(..)(..)(..)(..)(....)/, '$4$3$2$1-$6$5-$8$7-$9-');
}

const MAXIMUM_TEXT = 4096;

/** UCS-2 text up to its terminator, at most 4096 characters, control characters replaced. */
export function ucs2(bytes: Uint8Array): string {
  const unit = (index: number): number => (bytes[2 * index] as number) | ((bytes[2 * index + 1] as number) << 8);
  const most = Math.min(bytes.length >> 1, MAXIMUM_TEXT);
  let length = 0;
  while (length < most && unit(length) !== 0) length++;
  return printable(textOfUnits(length, unit));
}

/** Text that cannot steer a terminal: hostile event data ends up on somebody's screen. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, (character) => (character === '\n' ? '\n' : '\ufffd'));
}
