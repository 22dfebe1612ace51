import type { HclReport } from '../abi/hcl-report.js';
import type { RuntimeClaims } from '../abi/runtime-claims.js';
import type { SnpReport } from '../abi/snp-report-fields.js';
import type { Product, Tcb } from '../abi/tcb.js';
import type { TdQuote } from '../abi/td-quote.js';
import type { TpmsAttest } from '../abi/tpm.js';
import type { Check } from '../base/errors.js';
import type { SignatureEngine } from '../engine/engine.js';
import type { ReplayedEventLog } from './check-event-log.js';
import type { EncryptionKeyJwk } from './encryption-key.js';
import type { ChainCertificate } from './snp/certificate.js';
import type { EndorsementChain } from './snp/chain.js';
import type { TdxTcb } from './tdx/tcb.js';

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

/** Certificates that a report was verified with, whether or not they are good. */
export interface SnpCertificateFacts {
  vcek: EndorsementFacts;
  ask?: CertificateFacts;
  ark?: CertificateFacts;
}

/** What every verification tells. */
export interface VerificationFacts {
  /** Every check, in the order in which they were made. */
  checks: Check[];
  /** What computed the signatures' verdicts. */
  engine: SignatureEngine['name'];
  /** What nothing signs or nothing explains, in sentences. Never a reason to refuse. */
  warnings: string[];
}

/** A report that was verified, and what it is of. */
export interface VerifiedSnpReport extends VerificationFacts {
  ok: true;
  report: SnpReport;
  product: Product;
  certificates: SnpCertificateFacts;
}

/** What `explainSnpReport` resolves with. */
export type SnpReportVerification =
  | VerifiedSnpReport
  | (VerificationFacts & {
      ok: false;
      /** Not to be trusted; absent when it cannot be read. */
      report?: SnpReport;
      product?: Product;
      certificates?: SnpCertificateFacts;
    });

/** What is told of evidence, whichever the TEE. */
export interface EvidenceFacts extends VerificationFacts {
  hclReport?: HclReport;
  /** Runtime claims, present only when a genuine report of an identified (or allowed) paravisor binds them. */
  claims?: RuntimeClaims;
  /** What identified the paravisor; absent where the policy allows an unidentified one. */
  paravisor?: 'measurement' | 'id-key' | 'mrtd';
  /** The hardware report holds this exchange's user data: it is not older than the exchange. */
  reportFresh: boolean;
  /** The AK certificate, only where the policy demands it and it is proven. */
  akCertificate?: CertificateFacts;
  /** The quote's TPMS_ATTEST. */
  quote?: TpmsAttest;
  /** SHA-256 PCR values in hex, present only when a good quote covers them. */
  pcrs?: Record<number, string>;
  /** The event log compared with the quote; `measured` says how far an event is to be believed. */
  eventLog?: ReplayedEventLog;
  /** RSA key of the TPM to encrypt to, present only when everything passed and a quote shows the PCRs it is bound to. */
  encryptionKey?: EncryptionKeyJwk;
}

/** What is told of an SEV-SNP machine. */
export interface SnpFacts {
  report: SnpReport;
  product: Product;
  certificates: SnpCertificateFacts;
}

/** Evidence of an SEV-SNP machine: everything that was asked for is proven. */
export interface VerifiedSnpEvidence extends EvidenceFacts, SnpFacts {
  ok: true;
  tee: 'snp';
  hclReport: HclReport;
  claims: RuntimeClaims;
}

/** Certificates that a TD quote was verified with, whether or not they are good. */
export interface TdxCertificateFacts {
  pck: CertificateFacts;
  ca: CertificateFacts;
  root: CertificateFacts;
  /** Of the collateral. */
  tcbSigning?: CertificateFacts;
}

/** What is told of an Intel TDX machine: all of it by its TD quote. */
export interface TdxFacts {
  tdQuote: TdQuote;
  /** Absent without collateral: nobody looked whether the platform is up to date. */
  tcb?: TdxTcb;
  certificates: TdxCertificateFacts;
}

/** Evidence of an Intel TDX machine: everything that was asked for is proven. */
export interface VerifiedTdxEvidence extends EvidenceFacts, TdxFacts {
  ok: true;
  tee: 'tdx';
  hclReport: HclReport;
  claims: RuntimeClaims;
}

/** Evidence of which everything that was asked for is proven, by its TEE. */
export type VerifiedEvidence = VerifiedSnpEvidence | VerifiedTdxEvidence;

/** What accepted evidence always has of the facts: its HCL report and the claims that are proven. */
export function hasProvenClaims(
  facts: Unlisted<EvidenceFacts>,
): facts is Unlisted<EvidenceFacts> & { hclReport: HclReport; claims: RuntimeClaims } {
  return facts.hclReport !== undefined && facts.claims !== undefined;
}

/** At least one check failed: `checks` says which. Nothing else in here is to be trusted. */
export type RefusedEvidence =
  | (EvidenceFacts &
      Partial<SnpFacts> & {
        ok: false;
        /** By the HCL report's type; absent when it is of neither TEE. */
        tee?: 'snp';
      })
  | (EvidenceFacts & Partial<TdxFacts> & { ok: false; tee: 'tdx' });

/** What `explainEvidence` resolves with. */
export type VerificationResult = VerifiedEvidence | RefusedEvidence;

/** A result to which its checks are still to be added, by `withChecks`. */
export type Unlisted<Result> = Result extends unknown ? Omit<Result, 'checks'> : never;

/** Certificates of a chain for people. */
export function certificateFacts(chain: EndorsementChain): SnpCertificateFacts {
  const vcek: EndorsementFacts = factsOf(chain.leaf);
  if (chain.endorsement !== undefined) {
    const { productName, tcb, hwid, cspId } = chain.endorsement;
    vcek.tcb = { ...tcb };
    if (productName !== undefined) vcek.productName = productName;
    if (hwid !== undefined) vcek.hwid = new Uint8Array(hwid);
    if (cspId !== undefined) vcek.cspId = cspId;
  }
  const facts: SnpCertificateFacts = { vcek };
  if (chain.ask !== undefined) facts.ask = factsOf(chain.ask);
  if (chain.ark !== undefined) facts.ark = factsOf(chain.ark);
  return facts;
}

export function factsOf({ certificate, subject, issuer, serial, fingerprint }: ChainCertificate): CertificateFacts {
  const { notBefore, notAfter } = certificate;
  // Copies: the certificate may be one that is remembered for the next verification.
  return { subject, issuer, serial, notBefore: new Date(notBefore), notAfter: new Date(notAfter), fingerprint };
}
