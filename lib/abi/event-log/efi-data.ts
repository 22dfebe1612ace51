import { hex } from '../../base/hex.js';

/** A little-endian reader that answers `undefined` past the end: what an event describes is text for people. */
class EfiReader {
  private readonly view: DataView;
  at = 0;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  take(size: number): Uint8Array | undefined {
    if (size < 0 || size > this.left) return undefined;
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  u16(): number | undefined {
    return this.take(2) === undefined ? undefined : this.view.getUint16(this.at - 2, true);
  }

  u32(): number | undefined {
    return this.take(4) === undefined ? undefined : this.view.getUint32(this.at - 4, true);
  }

  /** A UINT64 that counts bytes; beyond the data it is of no use. */
  size(): number | undefined {
    if (this.take(8) === undefined) return undefined;
    const value = this.view.getBigUint64(this.at - 8, true);
    return value > BigInt(this.bytes.length) ? undefined : Number(value);
  }
}

/** UEFI_VARIABLE_DATA: a variable as it was measured. */
export interface EfiVariable {
  /** Vendor GUID, RFC 4122 text. */
  guid: string;
  name: string;
  data: Uint8Array;
}

/** Undefined when the bytes are not a whole UEFI_VARIABLE_DATA. */
export function readVariable(bytes: Uint8Array): EfiVariable | undefined {
  const reader = new EfiReader(bytes);
  const guid = reader.take(16);
  const nameLength = reader.size();
  const dataLength = reader.size();
  if (guid === undefined || nameLength === undefined || dataLength === undefined) return undefined;
  const name = reader.take(nameLength * 2);
  const data = reader.take(dataLength);
  if (name === undefined || data === undefined) return undefined;
  return { guid: guidText(guid), name: ucs2(name), data };
}

/** Device path of an UEFI_IMAGE_LOAD_EVENT, as text: file paths in full, other nodes by type. */
export function readImagePath(bytes: Uint8Array): string | undefined {
  const reader = new EfiReader(bytes);
  if (reader.take(24) === undefined) return undefined; // location, length and link-time address in memory
  const length = reader.size();
  const path = length === undefined ? undefined : reader.take(length);
  return path === undefined ? undefined : devicePath(path);
}

const MEDIA = 4;
const END = 0x7f;
const NODE_NAMES = new Map([
  ['1.1', 'Pci'],
  ['2.1', 'Acpi'],
  ['3.2', 'Scsi'],
  ['3.23', 'NVMe'],
  ['3.18', 'Sata'],
  ['4.1', 'HD'],
  ['4.3', 'VenMedia'],
  ['4.6', 'FvFile'],
  ['4.7', 'Fv'],
]);

function devicePath(bytes: Uint8Array): string {
  const reader = new EfiReader(bytes);
  const nodes: string[] = [];
  while (reader.left >= 4 && nodes.length < 64) {
    const [type = END, subtype = 0] = reader.take(2) ?? [];
    const body = reader.take((reader.u16() ?? 0) - 4);
    if (type === END || body === undefined) break;
    nodes.push(type === MEDIA && subtype === 4 ? ucs2(body) : nodeText(type, subtype, body));
  }
  return nodes.join('/');
}

function nodeText(type: number, subtype: number, body: Uint8Array): string {
  const name = NODE_NAMES.get(`${type}.${subtype}`) ?? `Path(${type},${subtype})`;
  if (name === 'HD' && body.length >= 36) return `HD(${guidText(body.subarray(20, 36))})`;
  if ((name === 'FvFile' || name === 'Fv') && body.length === 16) return `${name}(${guidText(body)})`;
  return name;
}

/** A UEFI_GPT_DATA: disk and partition names. */
export function readPartitionTable(bytes: Uint8Array): { disk: string; partitions: string[] } | undefined {
  const header = bytes.subarray(0, 92);
  if (header.length < 92 || String.fromCharCode(...header.subarray(0, 8)) !== 'EFI PART') return undefined;
  const reader = new EfiReader(bytes.subarray(92));
  const count = reader.size() ?? 0;
  const partitions: string[] = [];
  for (let i = 0; i < Math.min(count, 256); i++) {
    const entry = reader.take(128);
    if (entry === undefined) break;
    partitions.push(ucs2(entry.subarray(56)) || guidText(entry.subarray(0, 16)));
  }
  return { disk: guidText(header.subarray(56, 72)), partitions };
}

/** How many entries of which kind a signature database (db, dbx, KEK, PK) holds: `x509 2, sha256 371`. */
export function describeSignatures(bytes: Uint8Array): string | undefined {
  const reader = new EfiReader(bytes);
  const counts = new Map<string, number>();
  for (let lists = 0; reader.left > 0; lists++) {
    const type = reader.take(16);
    const listSize = reader.u32();
    const headerSize = reader.u32();
    const size = reader.u32();
    if (lists === MAXIMUM_SIGNATURE_LISTS || type === undefined || listSize === undefined) return undefined;
    if (headerSize === undefined || size === undefined) return undefined;
    const body = reader.take(listSize - 28);
    if (body === undefined || size === 0 || headerSize > body.length) return undefined;
    const name = SIGNATURE_TYPES.get(guidText(type)) ?? guidText(type);
    counts.set(name, (counts.get(name) ?? 0) + Math.floor((body.length - headerSize) / size));
  }
  return [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
}

// Genuine databases have one list a kind, or one a certificate: a few dozen.
const MAXIMUM_SIGNATURE_LISTS = 256;
const SIGNATURE_TYPES = new Map([
  ['a5c059a1-94e4-4aa7-87b5-ab155c2bf072', 'x509'],
  ['c1c41626-504c-4092-aca9-41f936934328', 'sha256'],
]);

/** EFI_GUID to text: its first three fields are little-endian. */
function guidText(bytes: Uint8Array): string {
  const reversed = (begin: number, end: number): string => hex(bytes.slice(begin, end).reverse());
  const head = `${reversed(0, 4)}-${reversed(4, 6)}-${reversed(6, 8)}`;
  return `${head}-${hex(bytes.subarray(8, 10))}-${hex(bytes.subarray(10, 16))}`;
}

const MAXIMUM_TEXT = 4096;

/** UCS-2 text up to its terminator, at most 4096 characters, control characters replaced. */
export function ucs2(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at + 1 < bytes.length && text.length < MAXIMUM_TEXT; at += 2) {
    const unit = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return printable(text);
}

/** Text that cannot steer a terminal: hostile event data ends up on somebody's screen. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}]/gu, (character) => (character === '\n' ? '\n' : '\ufffd'));
}
