#include "core/tpm/rsa.h"

namespace cga::tpm {

RsaDecryption::RsaDecryption(ByteView ciphertext, const RsaScheme& scheme) {
  fill(cipher_text_, ciphertext, "an RSA ciphertext");
  padding_.scheme = scheme.scheme;
  if (scheme.scheme == TPM2_ALG_OAEP) padding_.details.oaep.hashAlg = scheme.hash;
}

TSS2_RC RsaDecryption::send(TSS2_SYS_CONTEXT* context, TPM2_HANDLE key, const TSS2L_SYS_AUTH_COMMAND& authorization,
                            TPM2B_PUBLIC_KEY_RSA& plaintext) const {
  const TPM2B_DATA no_label{};
  TSS2L_SYS_AUTH_RESPONSE response{};
  return tss().RSA_Decrypt(context, key, &authorization, &cipher_text_, &padding_, &no_label, &plaintext, &response);
}

}  // namespace cga::tpm
