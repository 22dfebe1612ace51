import type { X509Certificate } from 'node:crypto';

/** What the attestation service believes without proof. */
export interface ServiceTrust {
  /** Roots of AMD-like chains; a chain has to end in one of their keys. */
  roots: readonly X509Certificate[];
  /** Authorities of attestation key certificates. */
  akAuthorities: readonly X509Certificate[];
  now: () => Date;
}
