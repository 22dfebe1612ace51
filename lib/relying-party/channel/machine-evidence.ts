import type { EvidenceCertificates } from '../../abi/evidence.js';
import type { AttestationClient } from '../../guest/client.js';
import { internalEvidence } from '../../guest/internal-evidence.js';
import { CHANNEL_CONTEXT } from './protocol.js';
import type { MakeEvidence } from './quote-queue.js';

/** Certificates of the processor change with its firmware; what is older than this is asked for again. */
const CERTIFICATES_MS = 10 * 60 * 1000;

/**
 * Evidence of this machine for one connection after the other. The processor's certificates are the same for all of them and
 * come over HTTP: they are kept. Within a batch, the report is; everything else is read anew for each connection.
 */
export function machineEvidence(client: AttestationClient): MakeEvidence {
  let certificates: EvidenceCertificates | undefined;
  let until = 0;
  return async ({ binding, userData, reuse, signal }) => {
    if (performance.now() >= until) certificates = undefined;
    const evidence = await internalEvidence(client, {
      nonce: binding,
      context: CHANNEL_CONTEXT,
      ...(certificates && { certificates }),
      ...(userData && reuse === undefined && { userData }),
      ...(signal && { signal }),
    });
    if (certificates === undefined && evidence.certificates !== undefined) {
      certificates = evidence.certificates;
      until = performance.now() + CERTIFICATES_MS;
    }
    if (reuse !== undefined) evidence.hclReport = reuse.hclReport;
    return evidence;
  };
}
