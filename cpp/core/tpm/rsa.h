// RSA decryption in the TPM.
#pragma once

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"

namespace cga::tpm {

/// Padding of TPM2_RSA_Decrypt: RSAES, or OAEP with the hash (also in MGF1) and an empty label.
struct RsaScheme {
  TPM2_ALG_ID scheme = TPM2_ALG_RSAES;
  TPM2_ALG_ID hash = TPM2_ALG_NULL;
};

/// TPM2_RSA_Decrypt. What the plaintext went through on its way is zeroed.
/// @param ciphertext at most 512 bytes
/// @returns the response code; `message` is set when it is success
[[nodiscard]] TSS2_RC rsa_decrypt(Connection& connection, TPM2_HANDLE key, const TSS2L_SYS_AUTH_COMMAND& authorization,
                                  ByteView ciphertext, const RsaScheme& scheme, Bytes& message);

}  // namespace cga::tpm
