import type { TpmsAttest } from '../abi/tpm.js';
import type { Check } from '../base/errors.js';
import type { ChainCertificate } from './certificate.js';
import type { EndorsementChain } from './chain.js';
import type { ReplayedEventLog } from './check-event-log.js';
import type { EncryptionKeyJwk } from './encryption-key.js';
import type { HclReport, Product, RuntimeClaims, SnpReport, Tcb } from './types.js';

/** What a certificate says, as far as people want to read it. */
export interface CertificateFacts {
  /** Common names. */
  subject: string;
  issuer: string;
  /** Hex. */
  serial: string;
  notBefore: Date;
  notAfter: Date;
  /** SHA-256 of the certificate, hex. */
  fingerprint: string;
}

/** The same of a VCEK or VLEK, with AMD's extensions. */
export interface EndorsementFacts extends CertificateFacts {
  /** For instance `Milan-B0`. */
  productName?: string;
  tcb?: Tcb;
  /** VCEK: 64 bytes, on Turin 8. */
  hwid?: Uint8Array;
  /** VLEK: the cloud service provider. */
  cspId?: string;
}

interface VerificationFacts {
  /** Every check, in the order in which they were made. */
  checks: Check[];
  product?: Product;
  /** Certificates that were used, whether or not they are good. */
  certificates?: { vcek: EndorsementFacts; ask?: CertificateFacts; ark?: CertificateFacts };
  hclReport?: HclReport;
  /** Runtime claims, present only when a genuine report binds them. */
  claims?: RuntimeClaims;
  /** The quote's TPMS_ATTEST. */
  quote?: TpmsAttest;
  /** SHA-256 PCR values in hex, present only when a good quote covers them. */
  pcrs?: Record<number, string>;
  /** The event log compared with the quote; `measured` says how far an event is to be believed. */
  eventLog?: ReplayedEventLog;
  /** RSA key of the TPM to encrypt to, present only when everything passed and a quote shows the PCRs it is bound to. */
  encryptionKey?: EncryptionKeyJwk;
  /** What nothing signs or nothing explains, in sentences. Never a reason to refuse. */
  warnings: string[];
}

/** Everything that was asked for is proven. */
export interface VerificationSuccess extends VerificationFacts {
  ok: true;
  report: SnpReport;
}

/** At least one check failed: `checks` says which. Nothing else in here is to be trusted. */
export interface VerificationFailure extends VerificationFacts {
  ok: false;
  /** Absent when there is no SNP report that can be read. */
  report?: SnpReport;
}

export type VerificationResult = VerificationSuccess | VerificationFailure;

/** Certificates of a chain for people. */
export function certificateFacts(chain: EndorsementChain): NonNullable<VerificationResult['certificates']> {
  const vcek: EndorsementFacts = factsOf(chain.leaf);
  if (chain.endorsement !== undefined) {
    const { productName, tcb, hwid, cspId } = chain.endorsement;
    vcek.tcb = tcb;
    if (productName !== undefined) vcek.productName = productName;
    if (hwid !== undefined) vcek.hwid = hwid;
    if (cspId !== undefined) vcek.cspId = cspId;
  }
  const facts: NonNullable<VerificationResult['certificates']> = { vcek };
  if (chain.ask !== undefined) facts.ask = factsOf(chain.ask);
  if (chain.ark !== undefined) facts.ark = factsOf(chain.ark);
  return facts;
}

function factsOf({ info }: ChainCertificate): CertificateFacts {
  const { subject, issuer, serial, fingerprint } = info;
  return {
    subject,
    issuer,
    serial,
    notBefore: new Date(info.notBefore),
    notAfter: new Date(info.notAfter),
    fingerprint,
  };
}
