import type { TdxCollateral } from '../../abi/tdx-collateral.js';
import { answerWithin } from '../../base/abort.js';
import { AttestationError, ErrorCode, messageOf, VerificationError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { FetchCollateral } from '../collateral-source.js';

/** Which errors of a fetch are about the quote: another try would not help. */
const OF_THE_QUOTE: readonly ErrorCode[] = [
  ErrorCode.INVALID_INPUT_PARAMETER,
  ErrorCode.HCL_REPORT_EMPTY,
  ErrorCode.HCL_REPORT_PARSING_FAILURE,
];
const NOT_OFFERED: readonly (number | undefined)[] = [404, 410];

/**
 * Collateral for a quote; undefined where nobody has any for its platform.
 *
 * @throws {VerificationError} `ERR_COLLATERAL_UNAVAILABLE` when it cannot be had in time, or for now.
 */
export async function fetchedCollateral(
  fetchCollateral: FetchCollateral,
  quote: Uint8Array,
  deadlineMs: number,
  logger: Logger,
): Promise<TdxCollateral | undefined> {
  try {
    return await answerWithin(deadlineMs, fetchCollateral(quote));
  } catch (error) {
    if (error instanceof AttestationError) {
      if (OF_THE_QUOTE.includes(error.code) || NOT_OFFERED.includes(error.status)) return undefined;
    }
    logger.warn(`collateral cannot be had: ${messageOf(error)}`);
    throw new VerificationError('ERR_COLLATERAL_UNAVAILABLE', 'Intel’s collateral cannot be had', [], error);
  }
}
