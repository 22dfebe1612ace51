#include "core/tpm/rsa.h"

#include "core/tpm/authorization.h"

namespace cga::tpm {

RsaDecryption::RsaDecryption(ByteView ciphertext, const RsaScheme& scheme) {
  fill(cipher_text_, ciphertext, "an RSA ciphertext");
  padding_.scheme = scheme.scheme;
  if (scheme.scheme == TPM2_ALG_OAEP) padding_.details.oaep.hashAlg = scheme.hash;
  if (scheme.label.empty()) return;
  if (scheme.scheme != TPM2_ALG_OAEP) throw Error(ErrorKind::kInvalidArgument, "only OAEP has a label");
  // TPMs cut a label at its first zero byte, so that another block than the one asked for might open.
  const auto zero = std::find(scheme.label.begin(), scheme.label.end(), std::uint8_t{0});
  if (zero == scheme.label.end() || zero + 1 != scheme.label.end()) {
    throw Error(ErrorKind::kInvalidArgument, "an OAEP label ends with a zero byte and has no other");
  }
  fill(label_, scheme.label, "an OAEP label");
}

TSS2_RC RsaDecryption::send(TSS2_SYS_CONTEXT* context, TPM2_HANDLE key, const TSS2L_SYS_AUTH_COMMAND& authorization,
                            TPM2B_PUBLIC_KEY_RSA& plaintext) const {
  TSS2L_SYS_AUTH_RESPONSE response{};
  return tss().RSA_Decrypt(context, key, &authorization, &cipher_text_, &padding_, &label_, &plaintext, &response);
}

Bytes decrypt_with_password(Connection& connection, TPM2_HANDLE key, ByteView ciphertext, const RsaScheme& scheme) {
  const RsaDecryption decryption(ciphertext, scheme);
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  Bytes message;
  const TSS2_RC rc =
      decryption.run(connection, message, [&](TSS2_SYS_CONTEXT* context, TPM2B_PUBLIC_KEY_RSA& plaintext) {
        return decryption.send(context, key, authorization, plaintext);
      });
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("TPM2_RSA_Decrypt", rc);
  return message;
}

}  // namespace cga::tpm
