import { IntelJson } from './intel-json.js';
import { type DocumentHead, type IsvLevel, readDocumentHead, readIsvLevels } from './tcb-info.js';

/** Identity of Intel's TD quoting enclave, version 2 (Intel PCS API v4, "Get TDX QE Identity"), its levels highest first. */
export interface QeIdentity extends DocumentHead {
  /** 4 bytes each, big-endian as the document writes them. */
  readonly miscselect: number;
  readonly miscselectMask: number;
  /** 16 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** 32 bytes. */
  readonly mrsigner: Uint8Array;
  readonly isvprodid: number;
  readonly levels: readonly IsvLevel[];
}

/**
 * Reads a QE identity whose head says `TD_QE` and version 2.
 *
 * @throws {AttestationError} 20 for anything malformed or impossible, two equal levels included.
 */
export function readQeIdentity(value: unknown): QeIdentity {
  const json = new IntelJson(value, 'QE identity');
  return {
    ...readDocumentHead(json),
    miscselect: number32(json, 'miscselect'),
    miscselectMask: number32(json, 'miscselectMask'),
    attributes: json.hex('attributes', 16),
    attributesMask: json.hex('attributesMask', 16),
    mrsigner: json.hex('mrsigner', 32),
    isvprodid: json.number('isvprodid', 65_535),
    levels: readIsvLevels(json, 65_535),
  };
}

function number32(json: IntelJson, name: string): number {
  return json.hex(name, 4).reduce((sum, byte) => sum * 256 + byte, 0);
}
