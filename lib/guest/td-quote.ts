import { tdDifferences } from '../abi/td-equality.js';
import { parseTdQuote } from '../abi/td-quote.js';
import { parseTdReport } from '../abi/td-report.js';
import { AttestationError, ErrorCode } from '../base/errors.js';
import { tdQuote } from '../imds/td-quote.js';
import type { Guest } from './guest.js';

/** Asked for again once: an answer may have been made for a report before this one. */
const MAX_ANSWERS = 2;

/**
 * The TD quote of a TDREPORT, as the host made it. It is about this very TD or an error: a stale or foreign one would only
 * fail at the verifier, where nobody could tell why.
 *
 * @param hardwareReport 1024 bytes of an HCL report of type TDX
 * @throws AttestationError 30 when there is none, 9 when it is of another report, 20 when it is malformed; 4, 5, 7 and 16
 * when the metadata service does not answer as it should.
 */
export async function collectTdQuote(
  { imds, logger }: Pick<Guest, 'imds' | 'logger'>,
  hardwareReport: Uint8Array,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const report = parseTdReport(hardwareReport);
  for (let answer = 1; ; answer++) {
    const bytes = await tdQuote(imds, hardwareReport, signal);
    const different = tdDifferences(report, parseTdQuote(bytes));
    if (different.length === 0) return bytes;
    const message = `the host's TD quote is not of this machine's TD report: they differ in ${different.join(', ')}`;
    if (answer === MAX_ANSWERS) {
      throw new AttestationError(ErrorCode.ATTESTATION_PARAMETERS_VALIDATION_FAILED, message);
    }
    logger.warn(`${message}; asking again`);
  }
}
