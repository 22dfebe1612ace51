import { channel } from 'node:diagnostics_channel';
import { type ObservedOperation, publishEventsTo } from './base/diagnostics.js';

const channels = {
  attest: channel('cvm-guest-attestation:attest'),
  encrypt: channel('cvm-guest-attestation:encrypt'),
  decrypt: channel('cvm-guest-attestation:decrypt'),
  evidence: channel('cvm-guest-attestation:evidence'),
  release: channel('cvm-guest-attestation:release'),
} as const satisfies Record<ObservedOperation, unknown>;

// Evaluated once by the entry points that need Node anyway.
publishEventsTo({
  wanted: (operation) => channels[operation].hasSubscribers,
  publish: (event) => channels[event.operation].publish(event),
});
