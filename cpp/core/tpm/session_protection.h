// Protection of a session against who can read or change what passes between this process and the TPM.
#pragma once

#include <cstdint>

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"
#include "core/tpm/rsa.h"

namespace cga::tpm {

/// Which key a session's salt is encrypted to. Without one (handle 0) sessions are not protected, as with the reference
/// client: in a confidential VM the way to the vTPM is inside what the hardware protects.
struct SaltKey {
  TPM2_HANDLE handle = 0;
  /// Name that the key must have; empty to take the key that the TPM shows, which protects from listeners only.
  Bytes name;

  friend bool operator==(const SaltKey&, const SaltKey&) = default;
  friend bool operator<(const SaltKey& a, const SaltKey& b) {
    return a.handle != b.handle ? a.handle < b.handle : a.name < b.name;
  }
};

/// The secrets of a salted session: authenticates commands and responses, and decrypts their first parameter
/// (part 1, sections 19.6 and 21).
class SessionProtection {
 public:
  /// @throws Error kTpm when the salt key is not an RSA key with SHA-256 or not the one expected
  SessionProtection(Connection& connection, const SaltKey& key);

  [[nodiscard]] ByteView encrypted_salt() const noexcept { return encrypted_salt_; }
  /// TPM2_StartAuthSession has answered.
  void started(const TPM2B_NONCE& nonce_caller, const TPM2B_NONCE& nonce_tpm);

  /// TPM2_RSA_Decrypt with this session, and the plaintext encrypted on its way back.
  /// @param authorization handle, nonce and attributes of the session; its HMAC is computed here
  [[nodiscard]] TSS2_RC rsa_decrypt(TSS2_SYS_CONTEXT* context, TPM2_HANDLE key, ByteView key_name,
                                    TSS2L_SYS_AUTH_COMMAND authorization, const RsaDecryption& decryption,
                                    TPM2B_PUBLIC_KEY_RSA& plaintext);

 private:
  void sign(TSS2_SYS_CONTEXT* context, ByteView key_name, TPMS_AUTH_COMMAND& session) const;
  [[nodiscard]] bool accept(TSS2_SYS_CONTEXT* context, const TPMS_AUTH_COMMAND& session);
  void decrypt_response(TSS2_SYS_CONTEXT* context, const TPM2B_NONCE& nonce_caller) const;

  Bytes salt_;
  Bytes encrypted_salt_;
  Bytes session_key_;
  TPM2B_NONCE nonce_tpm_{};
};

}  // namespace cga::tpm
