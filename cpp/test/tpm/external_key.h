// RSA keys that others made, in the TPM: for decryption vectors.
#pragma once

#include "core/tpm/connection.h"
#include "core/tpm/rsa.h"

namespace cga::test {

/// Loads a private key of 2048 bits with exponent 65537 as an external object. The caller flushes it.
[[nodiscard]] TPM2_HANDLE load_external(tpm::Connection& connection, ByteView modulus, ByteView prime);

/// TPM2_RSA_Decrypt with it. @returns the response code; `message` is set when it is success
[[nodiscard]] TSS2_RC decrypt_external(tpm::Connection& connection, TPM2_HANDLE key, ByteView ciphertext,
                                       const tpm::RsaScheme& scheme, Bytes& message);

}  // namespace cga::test
