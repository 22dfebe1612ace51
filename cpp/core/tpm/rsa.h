// RSA decryption in the TPM.
#pragma once

#include "core/crypto/registers.h"
#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"

namespace cga::tpm {

/// Padding of TPM2_RSA_Decrypt: RSAES, or OAEP with the hash (also in MGF1) and a label.
struct RsaScheme {
  TPM2_ALG_ID scheme = TPM2_ALG_RSAES;
  TPM2_ALG_ID hash = TPM2_ALG_NULL;
  /// OAEP's label L, at most 64 bytes. A TPM takes one that ends with a zero byte, which is a part of L, or none
  /// (TPM 2.0 part 1, B.4).
  ByteView label{};
};

/// One TPM2_RSA_Decrypt. What the plaintext went through on its way is zeroed.
class RsaDecryption {
 public:
  /// @param ciphertext at most 512 bytes. @throws Error kInvalidArgument, also for a label that no TPM takes
  RsaDecryption(ByteView ciphertext, const RsaScheme& scheme);

  [[nodiscard]] const TPM2B_PUBLIC_KEY_RSA& cipher_text() const noexcept { return cipher_text_; }
  [[nodiscard]] const TPMT_RSA_DECRYPT& padding() const noexcept { return padding_; }
  [[nodiscard]] const TPM2B_DATA& label() const noexcept { return label_; }

  /// The command itself, with a ready-made authorization.
  [[nodiscard]] TSS2_RC send(TSS2_SYS_CONTEXT* context, TPM2_HANDLE key, const TSS2L_SYS_AUTH_COMMAND& authorization,
                             TPM2B_PUBLIC_KEY_RSA& plaintext) const;

  /// Runs `command`, which sends it in its own way.
  /// @returns the response code, retries included; `message` is set when it is success
  template <typename Command>
  [[nodiscard]] TSS2_RC run(Connection& connection, Bytes& message, Command&& command) const {
    TPM2B_PUBLIC_KEY_RSA plaintext{};
    const TSS2_RC rc = connection.try_run([&](TSS2_SYS_CONTEXT* context) {
      plaintext = {};
      return command(context, plaintext);
    });
    if (rc == TSS2_RC_SUCCESS) {
      message = to_bytes(plaintext.buffer, plaintext.size);
      connection.cleanse_response();
    }
    OPENSSL_cleanse(&plaintext, sizeof plaintext);
    crypto::clear_vector_registers();
    return rc;
  }

 private:
  TPM2B_PUBLIC_KEY_RSA cipher_text_{};
  TPMT_RSA_DECRYPT padding_{};
  TPM2B_DATA label_{};
};

/// TPM2_RSA_Decrypt with a persistent key whose auth value is empty. A key without noDA answers TPM_RC_RETRY to its
/// first use after a TPM start, which is sent again as the retry table says.
/// @throws Error kTpm
[[nodiscard]] Bytes decrypt_with_password(Connection& connection, TPM2_HANDLE key, ByteView ciphertext,
                                          const RsaScheme& scheme);

}  // namespace cga::tpm
