/** Every code that a check of evidence can fail with, once, with the sentence that the documentation gives. */
const TABLE = [
  ['ERR_NOT_CHECKED', 'An earlier check failed and left nothing to check here.'],
  ['ERR_HCL_REPORT', 'The HCL report is malformed, or its header is not that of a report for a guest.'],
  ['ERR_REPORT_TYPE', 'The hardware report is not one of SEV-SNP.'],
  ['ERR_RUNTIME_CLAIMS', 'The runtime claims are malformed or ambiguous.'],
  ['ERR_SNP_REPORT', 'The SNP report is malformed.'],
  ['ERR_SNP_VERSION', 'The SNP report has a version that is not verified here (2 to 5 are).'],
  ['ERR_SNP_SIGNATURE_ALGO', 'The SNP report does not say ECDSA P-384 with SHA-384.'],
  ['ERR_SIGNING_KEY', 'The SNP report is unsigned, or signed by another type of key than the certificate holds.'],
  ['ERR_CHIP_KEY_MASKED', 'The chip id is masked, so no VCEK can be tied to the report.'],
  ['ERR_CERTIFICATE_MISSING', 'A certificate between the report and the root is missing.'],
  ['ERR_CERTIFICATE_FORMAT', 'A certificate, or an extension of it, is malformed.'],
  ['ERR_CERTIFICATE_CHAIN', 'A certificate is not signed by its issuer, or its issuer may not sign certificates.'],
  ['ERR_ARK_NOT_TRUSTED', "The root's public key is not one that is trusted for this product."],
  ['ERR_PRODUCT', 'Report, certificate and root do not belong to the same known product.'],
  ['ERR_CERTIFICATE_NOT_YET_VALID', 'A certificate is not valid yet.'],
  ['ERR_CERTIFICATE_EXPIRED', 'A certificate is no longer valid.'],
  ['ERR_CRL', 'No revocation list that was supplied is one of this root, or it is malformed.'],
  ['ERR_CRL_EXPIRED', 'The revocation list is not valid yet or no longer.'],
  ['ERR_CERTIFICATE_REVOKED', 'The certificate of the signing key (ASK or ASVK) is revoked.'],
  ['ERR_HWID_MISMATCH', "The chip id of the report is not the certificate's hardware id."],
  ['ERR_TCB_MISMATCH', "The reported TCB of the report is not the certificate's."],
  ['ERR_TCB_ORDER', 'A TCB of the report is above one that it cannot be above.'],
  ['ERR_SNP_SIGNATURE', "The report's signature is not made by the certificate's key."],
  ['ERR_SNP_SIGNATURE_ENCODING', 'Unsigned bytes of the report are not zero.'],
  ['ERR_POLICY', 'The policy, or a default of it, refuses what the evidence proves.'],
  ['ERR_REPORT_DATA_MISMATCH', 'report_data is not the hash of the runtime data followed by zeros.'],
  ['ERR_AK', 'The runtime claims do not hold exactly one usable attestation key, or it is not the one certified.'],
  ['ERR_QUOTE_MISSING', 'Something was asked for that only a TPM quote can prove, and there is none.'],
  ['ERR_QUOTE_FORMAT', 'The quote is malformed.'],
  ['ERR_QUOTE_MAGIC', 'The quote was not made by a TPM (magic).'],
  ['ERR_QUOTE_TYPE', 'What was signed is not a quote.'],
  ['ERR_QUOTE_SIGNATURE', 'The quote is not signed by the attestation key of the runtime claims.'],
  ['ERR_QUOTE_NONCE', "The quote's qualifying data is not the nonce."],
  ['ERR_PCR_SELECTION', 'The PCRs that were quoted are not the PCRs that are shown or asked for.'],
  ['ERR_PCR_DIGEST', "The PCR values do not hash to the quote's digest."],
  ['ERR_EVENT_LOG', 'The event log is malformed or does not replay to the PCRs.'],
  ['ERR_USER_DATA', 'The runtime claims do not echo the user data.'],
  ['ERR_ENCRYPTION_KEY', 'The ephemeral key is not certified as one that only this TPM in this state can use.'],
] as const;

/** Code of a failed check. */
export type CheckCode = (typeof TABLE)[number][0];

/** The codes that checks of evidence fail with, and what each means. */
export const CHECK_CODES: Readonly<Record<CheckCode, string>> = Object.freeze(
  Object.fromEntries(TABLE) as Record<CheckCode, string>,
);
