import { native } from '../native.js';
import { parsing, plainBytes } from './native-parse.js';

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

/**
 * Decodes the certificate table of an extended guest request: 24-byte entries of GUID, offset and length, ended by a
 * zero entry; at most 64.
 *
 * @throws {AttestationError} 21 for no bytes, 20 for anything malformed.
 */
export function parseCertificateTable(bytes: Uint8Array): CertificateTableEntry[] {
  const raw = plainBytes(bytes);
  return parsing(() => native().parseCertificateTable(raw)).map(({ guid, range }) => {
    const name = NAMES.get(guid);
    const data = raw.subarray(...range);
    return name === undefined ? { guid, data } : { guid, name, data };
  });
}
