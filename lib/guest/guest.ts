import type { Logger } from '../base/logger.js';
import type { Imds } from '../imds/imds.js';
import type { GuestTpm } from '../tpm/tpm.js';
import type { AkCertificate } from './ak-certificate.js';
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
