import { collateralTable } from '../../abi/evidence-shape.js';
import { plainBytes } from '../../abi/input.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { isBytes } from '../../base/bytes.js';
import { custom } from '../../base/option-kinds.js';
import { invalid, nested, type OptionKind } from '../../base/options.js';

/** Genuine lists take 4 KiB, in hex twice that. A list is read before its signature is known to be good. */
const MAXIMUM_LIST = 1024 * 1024;

/** Not copied here: `openCollateral` compares it with what is remembered, and copies what is new. */
const uncopied: OptionKind<Uint8Array> = custom((value, name) => {
  if (!isBytes(value)) throw invalid(`${name} must be a Uint8Array`);
  const view = plainBytes(value);
  if (view.length > MAXIMUM_LIST) throw invalid(`${name} must be a Uint8Array of at most 1 MiB`);
  return view;
});

/** Shape of collateral; what is inside is for the checks to judge. */
export const collateralOption: OptionKind<TdxCollateral> = nested(collateralTable(uncopied));
