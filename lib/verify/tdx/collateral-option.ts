import { collateralTable } from '../../abi/evidence-shape.js';
import { plainBytes } from '../../abi/input.js';
import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { copyBytes, isBytes } from '../../base/bytes.js';
import { custom } from '../../base/option-kinds.js';
import { invalid, nested, type OptionKind } from '../../base/options.js';

/** Genuine lists take 4 KiB, in hex twice that. A list is read before its signature is known to be good. */
const MAXIMUM_LIST = 1024 * 1024;

/** Not copied here: `openCollateral` compares it with what is remembered, and copies what is new. */
const uncopied: OptionKind<Uint8Array> = custom((value, name) => {
  const view = isBytes(value) ? plainBytes(value) : undefined;
  if (view === undefined || view.length > MAXIMUM_LIST) throw invalid(`${name} must be a Uint8Array of at most 1 MiB`);
  return view;
});

const TABLE = /* @__PURE__ */ collateralTable(uncopied);

/** Shape of collateral; what is inside is for the checks to judge. */
export const collateralOption: OptionKind<TdxCollateral> = nested(TABLE);

/** Adds every member, in one order. */
export function collateralInputs(collateral: TdxCollateral, inputs: (Uint8Array | string)[]): (Uint8Array | string)[] {
  for (const name in TABLE) inputs.push(collateral[name as keyof TdxCollateral] ?? '');
  return inputs;
}

/** The verifier's own: the caller's memory may change while signatures are verified, and after. */
export function copyCollateral(given: TdxCollateral): TdxCollateral {
  const copy: Record<string, Uint8Array | string> = {};
  for (const [name, value] of Object.entries(given)) copy[name] = isBytes(value) ? copyBytes(value) : value;
  return copy as object as TdxCollateral;
}
