import type { AttestationClient } from '../../guest/client.js';
import type { StandingEvidence } from '../../guest/evidence.js';
import { internalEvidence } from '../../guest/internal-evidence.js';
import { CHANNEL_CONTEXT } from './protocol.js';
import type { MakeEvidence } from './quote-queue.js';

/** Certificates of the processor change with its firmware; what is older than this is collected again. */
const STANDING_MS = 10 * 60 * 1000;

/**
 * Evidence of this machine for one connection after the other. What is the same for all of them (report, certificates) is
 * kept for ten minutes; the quote, the PCR values and the event log are new for each. A demand for a fresh report gets one,
 * shared by its batch.
 */
export function machineEvidence(client: AttestationClient): MakeEvidence {
  let standing: StandingEvidence | undefined;
  let until = 0;
  return async ({ binding, userData, reuse, signal }) => {
    const quote = { nonce: binding, context: CHANNEL_CONTEXT, ...(signal && { signal }) };
    const known = userData === undefined ? current() : reuse;
    if (known !== undefined) return internalEvidence(client, { standing: known, ...quote });
    const evidence = await internalEvidence(client, { ...quote, ...(userData && { userData }) });
    const { quote: _, ephemeralKey: __, eventLog: ___, ...rest } = evidence;
    standing = rest;
    until = performance.now() + STANDING_MS;
    return evidence;
  };

  function current(): StandingEvidence | undefined {
    return performance.now() < until ? standing : undefined;
  }
}
