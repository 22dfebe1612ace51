import { IntelJson } from './intel-json.js';
import { type DocumentHead, type IsvLevel, readDocumentHead, readIsvLevels } from './tcb-info.js';

/** Identity of Intel's TD quoting enclave, version 2 (Intel PCS API v4, "Get TDX QE Identity"), its levels highest first. */
export interface QeIdentity extends DocumentHead {
  /** 4 bytes each, in the order of the report. */
  readonly miscselect: Uint8Array;
  readonly miscselectMask: Uint8Array;
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
  return Object.assign(readDocumentHead(json), {
    miscselect: json.hex('miscselect', 4),
    miscselectMask: json.hex('miscselectMask', 4),
    attributes: json.hex('attributes', 16),
    attributesMask: json.hex('attributesMask', 16),
    mrsigner: json.hex('mrsigner', 32),
    isvprodid: json.number('isvprodid', 65_535),
    levels: readIsvLevels(json, 65_535),
  });
}
