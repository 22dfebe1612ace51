import { AttestationClient, type AttestationClientOptions } from '../../lib/index.js';
import type { SimulatedCvm } from '../../lib/simulator/index.js';

/** A client wired to a simulated CVM, with waits that a test can afford. */
export function clientOf(cvm: SimulatedCvm, options: AttestationClientOptions = {}): AttestationClient {
  return new AttestationClient({
    tcti: cvm.tcti,
    imdsUrl: cvm.imdsUrl,
    eventLogPath: cvm.eventLogPath,
    osReleasePath: cvm.osReleasePath,
    retry: { baseDelayMs: 10, maxRetryAfterMs: 50 },
    ...options,
  });
}
