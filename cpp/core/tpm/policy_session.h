// The authorisation of the ephemeral key: a policy session that stays open between decrypts.
#pragma once

#include <tss2/tss2_sys.h>

#include "core/tpm/connection.h"
#include "core/tpm/pcr.h"

namespace cga::tpm {

/// An unbound, unsalted SHA-256 policy session. After a command that used it the TPM starts its policy afresh
/// (continueSession), so a decrypt needs PolicyPCR and RSA_Decrypt and nothing else.
class PolicySession {
 public:
  [[nodiscard]] bool open() const noexcept { return handle_ != 0; }

  void start(Connection& connection);
  /// TPM2_PolicyPCR with the digest that the PCRs are expected to have; the TPM compares. A policy that an earlier
  /// command left in the session goes first.
  [[nodiscard]] TSS2_RC policy_pcr(Connection& connection, const PcrSelection& selection, const Sha256Digest& digest);
  /// The command that the policy authorised was carried out.
  void used() noexcept { has_policy_ = false; }
  /// After a command that failed: the TPM has kept the policy so far, and the next PolicyPCR must not add to it.
  void restart(Connection& connection);
  void flush(Connection& connection) noexcept;
  /// The session is gone, or the handle may be somebody else's by now.
  void forget(Connection& connection) noexcept;

  /// Authorisation area of a command that uses the session. There is no HMAC to compute: no auth value, no salt.
  [[nodiscard]] TSS2L_SYS_AUTH_COMMAND authorization() const;

 private:
  TPMI_SH_AUTH_SESSION handle_ = 0;
  bool has_policy_ = false;
};

}  // namespace cga::tpm
