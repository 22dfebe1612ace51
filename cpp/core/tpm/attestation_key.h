// The persistent attestation key: quotes and certifications.
#pragma once

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"
#include "core/tpm/pcr.h"

namespace cga::tpm {

/// Something that the attestation key has signed.
struct Attestation {
  Bytes message;    ///< TPMS_ATTEST, no size prefix
  Bytes signature;  ///< raw RSASSA signature, no TPMT_SIGNATURE header
};

/// TPM2_Quote with the key's own scheme.
/// @param qualifying_data at most 64 bytes, the nonce of the verifier
/// @throws Error kTpm; also when the key does not sign with RSASSA, or a selected PCR's bank is not allocated
[[nodiscard]] Attestation quote(Connection& connection, TPM2_HANDLE key, ByteView qualifying_data,
                                const PcrSelection& selection);

/// TPM2_Certify of a loaded object by the attestation key, both with an empty password, no qualifying data.
[[nodiscard]] Attestation certify(Connection& connection, TPM2_HANDLE object, TPM2_HANDLE key);

}  // namespace cga::tpm
