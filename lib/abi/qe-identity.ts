import { integer } from '../base/option-kinds.js';
import { required } from '../base/options.js';
import { objectOf } from './evidence-shape.js';
import { hexBytes, readIntelJson } from './intel-json.js';
import { isvLevels, type ModuleStatus, type TcbLevel } from './tcb-info.js';

/** Identity of Intel's TD quoting enclave, version 2 (Intel PCS API v4, "Get TDX QE Identity"), as Intel names its members. */
export interface QeIdentity {
  /** 4 bytes each, in the order of the report. */
  readonly miscselect: Uint8Array;
  readonly miscselectMask: Uint8Array;
  /** 16 bytes each. */
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  /** 32 bytes. */
  readonly mrsigner: Uint8Array;
  readonly isvprodid: number;
  /** Highest first. */
  readonly tcbLevels: readonly TcbLevel<ModuleStatus>[];
}

const QE_IDENTITY = objectOf<QeIdentity>(
  {
    miscselect: required(hexBytes(4)),
    miscselectMask: required(hexBytes(4)),
    attributes: required(hexBytes(16)),
    attributesMask: required(hexBytes(16)),
    mrsigner: required(hexBytes(32)),
    isvprodid: required(integer(0, 65_535)),
    tcbLevels: required(isvLevels(65_535)),
  },
  false,
);

/**
 * Reads a QE identity whose head says `TD_QE` and version 2.
 *
 * @throws {AttestationError} 20 for anything malformed or impossible, two equal levels included.
 */
export function readQeIdentity(value: unknown): QeIdentity {
  return readIntelJson(QE_IDENTITY, value, 'QE identity');
}
