import type { Evidence } from '../abi/evidence.js';
import type { AttestationClient } from './client.js';
import type { ProtocolEvidenceOptions } from './evidence.js';

type Collect = (options: ProtocolEvidenceOptions) => Promise<Evidence>;

const collectors = new WeakMap<AttestationClient, Collect>();

/** Only the client's constructor calls this. */
export function registerInternalEvidence(client: AttestationClient, collect: Collect): void {
  collectors.set(client, collect);
}

/**
 * `client.getEvidence` for the protocols of this package, which may name their own contexts: `channel-v1`, `pop-v1`,
 * `verifier-v1`, `kbs-v1`. Never exported from an entry point: whoever could have a context of ours quoted over bytes of
 * his choice could speak for this machine in that protocol.
 *
 * @throws AttestationError as `getEvidence`; 8 for what is not a client.
 */
export function internalEvidence(client: AttestationClient, options: ProtocolEvidenceOptions): Promise<Evidence> {
  const collect = collectors.get(client);
  if (collect === undefined) return Promise.reject(new TypeError('not an AttestationClient'));
  return collect(options);
}
