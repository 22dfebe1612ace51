import type { X509Certificate } from 'node:crypto';
import type { TrustedRoot } from '../trusted-root.js';

/** What the attestation service believes without proof. */
export interface ServiceTrust {
  roots: readonly TrustedRoot[];
  /** Authorities of attestation key certificates. */
  akAuthorities: readonly X509Certificate[];
  now: () => Date;
}
