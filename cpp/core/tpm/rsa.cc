#include "core/tpm/rsa.h"

namespace cga::tpm {

TSS2_RC rsa_decrypt(Connection& connection, TPM2_HANDLE key, const TSS2L_SYS_AUTH_COMMAND& authorization,
                    ByteView ciphertext, const RsaScheme& scheme, Bytes& message) {
  TPM2B_PUBLIC_KEY_RSA cipher_text{};
  fill(cipher_text, ciphertext, "an RSA ciphertext");
  TPMT_RSA_DECRYPT padding{};
  padding.scheme = scheme.scheme;
  if (scheme.scheme == TPM2_ALG_OAEP) padding.details.oaep.hashAlg = scheme.hash;
  const TPM2B_DATA no_label{};
  TPM2B_PUBLIC_KEY_RSA plaintext{};
  const TSS2_RC rc = connection.try_run([&](TSS2_SYS_CONTEXT* context) {
    plaintext = {};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().RSA_Decrypt(context, key, &authorization, &cipher_text, &padding, &no_label, &plaintext, &response);
  });
  if (rc == TSS2_RC_SUCCESS) {
    message = to_bytes(plaintext.buffer, plaintext.size);
    connection.cleanse_response();
  }
  OPENSSL_cleanse(&plaintext, sizeof plaintext);
  return rc;
}

}  // namespace cga::tpm
