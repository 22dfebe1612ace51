import type { TdxCollateral } from '../abi/tdx-collateral.js';
import { callable, custom } from '../base/option-kinds.js';
import type { OptionKind } from '../base/options.js';
import { collateralOption } from '../verify/tdx/collateral-option.js';

/** What fetches Intel's collateral for a quote. */
export type FetchCollateral = (quote: Uint8Array) => Promise<TdxCollateral>;

const fetches = /* @__PURE__ */ callable<FetchCollateral>();

/** Collateral, or what fetches it: an option of whoever judges evidence of others. */
export const collateralSource: OptionKind<TdxCollateral | FetchCollateral> = /* @__PURE__ */ custom((value, name) =>
  typeof value === 'function' ? fetches.check(value, name) : collateralOption.check(value, name),
);
