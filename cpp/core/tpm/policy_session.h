// The authorization of the ephemeral key: a policy session that stays open between decrypts.
#pragma once

#include <tss2/tss2_sys.h>

#include <optional>
#include <utility>

#include "core/tpm/connection.h"
#include "core/tpm/pcr.h"
#include "core/tpm/rsa.h"
#include "core/tpm/session_protection.h"

namespace cga::tpm {

/// An unbound SHA-256 policy session, unsalted unless a salt key says otherwise. After a command that used it the TPM
/// starts its policy afresh (continueSession), so a decrypt needs PolicyPCR and RSA_Decrypt and nothing else.
class PolicySession {
 public:
  /// @param salt_key for sessions that protect what passes between this process and the TPM
  explicit PolicySession(SaltKey salt_key = {}) : salt_key_(std::move(salt_key)) {}

  [[nodiscard]] bool open() const noexcept { return handle_ != 0; }
  /// Whether the TPM has taken the policy and no command has used it yet.
  [[nodiscard]] bool ready() const noexcept { return open() && ready_; }

  void start(Connection& connection);
  /// TPM2_PolicyPCR with the digest that the PCRs are expected to have; the TPM compares. A policy that an earlier
  /// command left in the session goes first.
  [[nodiscard]] TSS2_RC policy_pcr(Connection& connection, const PcrSelection& selection, const Sha256Digest& digest);
  /// After a command that failed: the TPM has kept the policy so far, and the next PolicyPCR must not add to it.
  void restart(Connection& connection);
  void flush(Connection& connection) noexcept;
  /// The session is gone, or the handle may be somebody else's by now.
  void forget(Connection& connection) noexcept;

  /// TPM2_RSA_Decrypt, authorized by the session. What the plaintext went through on its way is zeroed.
  /// @param ciphertext at most 512 bytes
  /// @returns the response code; `message` is set when it is success
  [[nodiscard]] TSS2_RC rsa_decrypt(Connection& connection, TPM2_HANDLE key, ByteView key_name, ByteView ciphertext,
                                    const RsaScheme& scheme, Bytes& message);

 private:
  /// Authorization area of a command that uses the session; of an unsalted one it needs no HMAC, for there is no key.
  [[nodiscard]] TSS2L_SYS_AUTH_COMMAND authorization() const;

  SaltKey salt_key_;
  std::optional<SessionProtection> protection_;
  TPMI_SH_AUTH_SESSION handle_ = 0;
  bool has_policy_ = false;  ///< may hold a policy, or a part of one
  bool ready_ = false;       ///< certainly holds the whole policy
};

}  // namespace cga::tpm
