import type { Logger } from '../base/logger.js';
import { defaultEngine } from '../engine/choose.js';
import type { Imds } from '../imds/imds.js';
import type { GuestTpm } from '../tpm/native-tpm.js';
import { AkCertificate } from './ak-certificate.js';
import type { ClientSettings } from './client-settings.js';
import { IssuerCertificates } from './issuer-certificates.js';
import type { KeyTemplates } from './key-templates.js';

/** The virtual machine that this process runs in, as far as attestation looks at it. */
export interface Guest {
  tpm: GuestTpm;
  imds: Imds;
  akCertificate: AkCertificate;
  keyTemplates: KeyTemplates;
  logger: Logger;
  eventLogPath: string;
  osReleasePath: string;
}

/** The certificate of the attestation key, with the issuers and the renewal that a client's settings give it. */
export function akCertificateOf(tpm: GuestTpm, settings: ClientSettings): AkCertificate {
  const { imds, logger, renewAkCertificate: renew, vtpmAuthorities, service } = settings;
  const issuers = new IssuerCertificates(vtpmAuthorities, service, logger);
  return new AkCertificate({ tpm, imds, logger, renew, issuers, engine: defaultEngine });
}
