#include "core/tpm/attestation_key.h"

#include "core/tpm/authorization.h"

namespace cga::tpm {
namespace {

constexpr std::size_t kMaximumQualifyingData = sizeof(TPMT_HA);

Attestation attestation(const TPM2B_ATTEST& message, const TPMT_SIGNATURE& signature) {
  if (signature.sigAlg != TPM2_ALG_RSASSA) {
    throw Error(ErrorKind::kTpm, "the attestation key does not sign with RSASSA", TSS2_SYS_RC_BAD_VALUE);
  }
  const TPM2B_PUBLIC_KEY_RSA& raw = signature.signature.rsassa.sig;
  return {to_bytes(message.attestationData, message.size), to_bytes(raw.buffer, raw.size)};
}

/// A TPM quotes a bank that it has not allocated as if nothing had been selected.
void require_pcrs(Connection& connection, const TPM2B_ATTEST& message, const PcrSelection& selection) {
  TPMS_ATTEST attest{};
  std::size_t offset = 0;
  const TSS2_RC rc = tss().TPMS_ATTEST_Unmarshal(message.attestationData, message.size, &offset, &attest);
  if (rc != TSS2_RC_SUCCESS || attest.type != TPM2_ST_ATTEST_QUOTE) {
    connection.reject_answer("TPM2_Quote answered with something else than a quote");
  }
  if (pcr_mask(attest.attested.quote.pcrSelect, selection.bank) != selection.mask) {
    throw Error(ErrorKind::kTpm, "the quote does not cover the PCRs asked for: the PCR bank is not allocated");
  }
}

constexpr TPMT_SIG_SCHEME kKeysOwnScheme{.scheme = TPM2_ALG_NULL, .details = {}};

}  // namespace

Attestation quote(Connection& connection, TPM2_HANDLE key, ByteView qualifying_data, const PcrSelection& selection) {
  TPM2B_DATA qualifying{};
  if (qualifying_data.size() > kMaximumQualifyingData) {
    throw Error(ErrorKind::kInvalidArgument,
                "qualifying data is longer than " + std::to_string(kMaximumQualifyingData) + " bytes");
  }
  fill(qualifying, qualifying_data, "qualifying data");
  const TPML_PCR_SELECTION pcrs = selection.to_tpm();
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  TPM2B_ATTEST message{};
  TPMT_SIGNATURE signature{};
  connection.run("TPM2_Quote", [&](TSS2_SYS_CONTEXT* context) {
    message = {};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().Quote(context, key, &authorization, &qualifying, &kKeysOwnScheme, &pcrs, &message, &signature,
                       &response);
  });
  require_pcrs(connection, message, selection);
  return attestation(message, signature);
}

Attestation certify(Connection& connection, TPM2_HANDLE object, TPM2_HANDLE key) {
  const TPM2B_DATA none{};
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization(2);
  TPM2B_ATTEST message{};
  TPMT_SIGNATURE signature{};
  connection.run("TPM2_Certify", [&](TSS2_SYS_CONTEXT* context) {
    message = {};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().Certify(context, object, key, &authorization, &none, &kKeysOwnScheme, &message, &signature, &response);
  });
  return attestation(message, signature);
}

}  // namespace cga::tpm
