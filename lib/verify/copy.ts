import type { Evidence } from '../abi/evidence.js';
import { evidenceShape } from '../abi/evidence-shape.js';
import { plainBytes } from '../abi/input.js';
import { byteLength, copyBytes, isBytes } from '../base/bytes.js';
import { custom } from '../base/option-kinds.js';
import { invalid, readArguments } from '../base/options.js';
import { collateralOption } from './tdx/collateral-option.js';

/**
 * The verifier's own copy: what is checked is what is used, over shared memory and getters as well. Of bytes that are more
 * than `maximum` only so many are copied that a parser sees that they are too many.
 *
 * @throws {AttestationError} 8 for anything but a Uint8Array.
 */
export function copyBounded(value: unknown, name: string, maximum: number): Uint8Array<ArrayBuffer> {
  if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array`);
  return byteLength(value) <= maximum ? copyBytes(value) : new Uint8Array(plainBytes(value).subarray(0, maximum + 1));
}

const COPY = evidenceShape({
  bytes: (maximum = Number.POSITIVE_INFINITY) => custom((value, name) => copyBounded(value, name, maximum)),
  collateral: collateralOption,
  pem: /^/,
  exact: false,
});

/**
 * A copy of evidence, every member read once. Evidence is plain data from somewhere: what is not even of the right type is
 * the caller's mistake, not a refusal.
 *
 * @throws {AttestationError} 8
 */
export function copyEvidence(given: unknown): Evidence {
  return readArguments('not evidence', () => COPY.check(given, 'evidence'));
}
