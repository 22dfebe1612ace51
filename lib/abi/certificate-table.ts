import { emptyInput, malformed, plainBytes } from './input.js';

/** What a certificate table holds, by the names of its GUIDs. */
export type CertificateTableName = 'vcek' | 'vlek' | 'ask' | 'ark' | 'crl' | 'extraPlatformInfo';

export interface CertificateTableEntry {
  /** RFC 4122 text, lower case. */
  guid: string;
  /** Absent for a GUID that is not known. */
  name?: CertificateTableName;
  /** View into the table: DER for certificates. */
  data: Uint8Array;
}

// GHCB specification, "SNP Extended Guest Request"; the last one is go-sev-guest's own.
const NAMES = new Map<string, CertificateTableName>([
  ['63da758d-e664-4564-adc5-f4b93be8accd', 'vcek'],
  ['a8074bc2-a25a-483e-aae6-39c045a0b8a1', 'vlek'],
  ['4ab7b379-bbac-4fe4-a02f-05aef327c782', 'ask'],
  ['c0b406a4-a803-4952-9743-3fb6014cd0ae', 'ark'],
  ['92f81bc3-5811-4d3d-97ff-d19f88dc67ea', 'crl'],
  ['ecae0c0f-9502-43b1-afa2-0ae2e0d565b6', 'extraPlatformInfo'],
]);

const WHAT = 'certificate table';
const ENTRY_SIZE = 24;
const MAXIMUM_ENTRIES = 64;

/**
 * Decodes the certificate table of an extended guest request: 24-byte entries of GUID, offset and length, ended by a
 * zero entry; at most 64.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed.
 */
export function parseCertificateTable(bytes: Uint8Array): CertificateTableEntry[] {
  const table = plainBytes(bytes);
  if (table.length === 0) throw emptyInput('the certificate table');
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const ranges: { guid: string; offset: number; length: number }[] = [];
  for (let at = 0; ; at += ENTRY_SIZE) {
    if (table.length - at < ENTRY_SIZE) throw malformed(WHAT, 'no terminating entry');
    const entry = table.subarray(at, at + ENTRY_SIZE);
    if (entry.every((byte) => byte === 0)) break;
    if (ranges.length === MAXIMUM_ENTRIES) throw malformed(WHAT, 'more than 64 entries');
    const offset = view.getUint32(at + 16, true);
    const length = view.getUint32(at + 20, true);
    if (offset > table.length || length > table.length - offset) throw malformed(WHAT, 'an entry reaches past the end');
    ranges.push({ guid: guidText(entry), offset, length });
  }
  // Data inside the directory would be read as both an entry and a certificate.
  const directory = (ranges.length + 1) * ENTRY_SIZE;
  if (ranges.some(({ offset, length }) => length > 0 && offset < directory)) {
    throw malformed(WHAT, 'an entry points into the directory');
  }
  return ranges.map(({ guid, offset, length }) => {
    const name = NAMES.get(guid);
    const data = table.subarray(offset, offset + length);
    return name === undefined ? { guid, data } : { guid, name, data };
  });
}

/** The first 16 bytes as RFC 4122 text, in their own order. */
function guidText(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
    text += (bytes[index] as number).toString(16).padStart(2, '0');
  }
  return text;
}
