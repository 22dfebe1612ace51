import type { TdxCollateral } from './tdx-collateral.js';

/** Certificates that prove a report, DER or PEM; `chain` holds ASK (or ASVK) and ARK in any order. */
export interface EvidenceCertificates {
  vcek: Uint8Array | string;
  chain?: Uint8Array[] | string;
}

export interface EvidenceQuote {
  /** TPMS_ATTEST, without size prefix. */
  message: Uint8Array;
  /** Raw RSASSA-PKCS1-v1_5 SHA-256 signature, 256 bytes for the vTPM's AK. */
  signature: Uint8Array;
  pcrs: { alg: 'sha256'; values: Record<number, Uint8Array> };
}

/** The TPM's ephemeral key with the attestation key's word for it: what a relying party can encrypt to. */
export interface EvidenceEphemeralKey {
  /** TPM2B_PUBLIC, with its 2-byte size. */
  publicArea: Uint8Array;
  /** TPMS_ATTEST of the TPM2_Certify, no size prefix. */
  certifyInfo: Uint8Array;
  /** Raw RSASSA-PKCS1-v1_5 SHA-256 signature over `certifyInfo`. */
  certifySignature: Uint8Array;
}

/** Everything that a guest can show about itself. Bytes are Uint8Array in memory and base64url in JSON. */
export interface Evidence {
  version: 1;
  /** As read from NV 0x01400001, padding allowed. Its report type says which TEE this is. */
  hclReport: Uint8Array;
  quote?: EvidenceQuote;
  /** SEV-SNP. */
  certificates?: EvidenceCertificates;
  /** TDX: the quote that the host made of the TDREPORT in `hclReport`, padding allowed. */
  tdQuote?: Uint8Array;
  /** TDX: Intel's documents and revocation lists; a verifier may be given others, which win. */
  tdxCollateral?: TdxCollateral;
  /** DER; bytes after its end are ignored, as an NV index is longer. */
  akCertificate?: Uint8Array;
  /** Certificates between the AK certificate and its root, DER; fetched (AIA) by the guest, never by the verifier. */
  akCertificateChain?: Uint8Array[];
  /** TCG event log as the firmware wrote it. */
  eventLog?: Uint8Array;
  ephemeralKey?: EvidenceEphemeralKey;
  /**
   * The attester put the nonce into the hardware report's user data, too (trustee's version 2): a verifier that is not
   * given `userData` refuses this evidence.
   */
  userDataRequired?: true;
}
