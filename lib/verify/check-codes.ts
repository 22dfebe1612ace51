import { type CheckedValues, CheckList as Checks } from '../base/checks.js';
import type { CheckSubject } from '../base/errors.js';

/** Every code that a check of evidence can fail with, once, with the sentence that the documentation gives. */
const TABLE = [
  ['ERR_NOT_CHECKED', 'An earlier check failed and left nothing to check here.'],
  ['ERR_HCL_REPORT', 'The HCL report is malformed, or its header is not that of a report for a guest.'],
  ['ERR_REPORT_TYPE', 'The hardware report is not one of SEV-SNP or Intel TDX.'],
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
  ['ERR_CRL', 'No genuine revocation list of this root was supplied where one is needed.'],
  ['ERR_CRL_EXPIRED', 'A revocation list of this root is not valid yet or no longer.'],
  ['ERR_CERTIFICATE_REVOKED', 'The certificate of the signing key (ASK or ASVK) is revoked.'],
  ['ERR_HWID_MISMATCH', "The chip id of the report is not the certificate's hardware id."],
  ['ERR_TCB_MISMATCH', "The reported TCB of the report is not the certificate's."],
  ['ERR_TCB_ORDER', 'A TCB of the report is above one that it cannot be above.'],
  ['ERR_SNP_SIGNATURE', "The report's signature is not made by the certificate's key."],
  ['ERR_SNP_SIGNATURE_ENCODING', 'Unsigned bytes of the report are not zero.'],
  ['ERR_TD_REPORT', 'The TD report is malformed, or its hashes are not those of its parts.'],
  ['ERR_TD_QUOTE', 'The TD quote is missing, malformed, or not of a kind that is verified here.'],
  ['ERR_TDREPORT_MISMATCH', 'The TD quote was not made from the TD report of the HCL report.'],
  ['ERR_ROOT_NOT_TRUSTED', "The root's public key is not Intel's, or not the one that is trusted in its place."],
  ['ERR_QE_SIGNATURE', "The quoting enclave's report is not signed by the platform's PCK key."],
  ['ERR_QE_BINDING', 'The attestation key is not the one that the quoting enclave vouches for.'],
  ['ERR_TD_QUOTE_SIGNATURE', 'The TD quote is not signed by its attestation key.'],
  ['ERR_COLLATERAL', 'A document of the collateral is malformed, or says what cannot be, though Intel signed it.'],
  ['ERR_COLLATERAL_MISSING', 'There is no collateral, and the policy demands some.'],
  ['ERR_COLLATERAL_SIGNATURE', 'A document of the collateral is not signed by Intel as it was received.'],
  ['ERR_COLLATERAL_EXPIRED', 'A document of the collateral is not valid yet or no longer.'],
  ['ERR_COLLATERAL_MISMATCH', 'The collateral is of another platform, of another kind, or of two evaluations.'],
  ['ERR_QE_IDENTITY', "The enclave that made the attestation key is not Intel's TD quoting enclave."],
  ['ERR_TDX_MODULE', "The TDX module is not Intel's, or of a version that the TCB info does not know."],
  ['ERR_TCB_NOT_SUPPORTED', "The platform reaches none of Intel's TCB levels."],
  ['ERR_TCB_STATUS', "The status of the platform's TCB is not one that the policy accepts."],
  ['ERR_POLICY', 'The policy, or a default of it, refuses what the evidence proves.'],
  ['ERR_REPORT_DATA_MISMATCH', 'report_data is not the hash of the runtime data followed by zeros.'],
  ['ERR_AK', 'The runtime claims do not hold exactly one usable attestation key, or it is not the one certified.'],
  [
    'ERR_PARAVISOR',
    "The report is not of a paravisor that the policy names or that is known to be Azure's: the guest may have chosen its own claims.",
  ],
  ['ERR_AK_CERTIFICATE', "The AK certificate does not prove that the key is one of Azure's confidential VMs."],
  ['ERR_QUOTE_MISSING', 'Something was asked for that only a TPM quote can prove, and there is none.'],
  ['ERR_QUOTE_FORMAT', 'The quote is malformed.'],
  ['ERR_QUOTE_MAGIC', 'The quote was not made by a TPM (magic).'],
  ['ERR_QUOTE_TYPE', 'What was signed is not a quote.'],
  ['ERR_QUOTE_SIGNATURE', 'The quote is not signed by the attestation key of the runtime claims.'],
  ['ERR_QUOTE_NONCE', "The quote's qualifying data is not the nonce."],
  ['ERR_PCR_SELECTION', 'The PCRs that were quoted are not the PCRs that are shown or asked for.'],
  ['ERR_PCR_DIGEST', "The PCR values do not hash to the quote's digest."],
  ['ERR_EVENT_LOG', 'The event log is missing, malformed, contradicts itself or does not replay to the PCRs.'],
  ['ERR_USER_DATA', 'The runtime claims do not echo the user data, or it was not given though the evidence needs it.'],
  ['ERR_ENCRYPTION_KEY', 'The ephemeral key is not certified as one that only this TPM in this state can use.'],
] as const;

/** Code of a failed check. */
export type CheckCode = (typeof TABLE)[number][0];

/** The codes that checks of evidence fail with, and what each means. */
export const CHECK_CODES: Readonly<Record<CheckCode, string>> = /* @__PURE__ */ Object.freeze(
  /* @__PURE__ */ Object.fromEntries(TABLE) as Record<CheckCode, string>,
);

/** What a check found: whether the value is good, its code should it not be, and what was compared. */
export interface Judgement extends CheckedValues {
  readonly code: CheckCode;
  readonly ok: boolean;
}

/** The checks of evidence. */
export class CheckList extends Checks<CheckCode> {
  /** Adds what was found. Returns whether it is good. */
  judged(subject: CheckSubject, name: string, found: Judgement): boolean {
    return this.add(subject, name, found.code, found.ok, found);
  }
}
