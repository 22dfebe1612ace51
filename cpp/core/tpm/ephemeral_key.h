// The ephemeral encryption key of the guest attestation protocol.
#pragma once

#include <optional>
#include <tuple>

#include "core/tpm/attestation_key.h"
#include "core/tpm/bytes.h"
#include "core/tpm/capability.h"
#include "core/tpm/object.h"
#include "core/tpm/pcr.h"
#include "core/tpm/policy_session.h"
#include "core/tpm/rsa.h"

namespace cga::tpm {

struct CertifiedKey {
  Bytes public_area;  ///< TPM2B_PUBLIC, with its 2-byte size
  Attestation certification;
};

/// What stands in `unique` of the template. Each gives another key: the reference library fills it with zeros,
/// Microsoft's Rust and Python clients leave it empty.
enum class KeyTemplate : std::uint8_t { kZeros, kEmpty };

/// Which key: two of them under the same PCRs coexist.
struct EphemeralKeyId {
  PcrSelection selection;
  KeyTemplate unique = KeyTemplate::kZeros;
  /// For decrypts whose plaintext is encrypted between the TPM and this process.
  SaltKey salt_key{};

  friend bool operator<(const EphemeralKeyId& a, const EphemeralKeyId& b) {
    return std::tie(a.selection, a.unique, a.salt_key) < std::tie(b.selection, b.unique, b.salt_key);
  }
};

/// Template of the key (protocol, section 1.4): a primary of the NULL hierarchy, bound by its policy to PCR values.
/// Together with the TPM's null seed it determines the key, bit for bit.
[[nodiscard]] TPM2B_PUBLIC ephemeral_key_template(const Sha256Digest& policy, KeyTemplate unique = KeyTemplate::kZeros);

/// The key for one PCR selection and template. It is created once and stays in the TPM; what is stale (other PCR
/// values, another TPM reset) is made again without the caller noticing. Takes the connection with every call, because
/// a key of a TPM without resource manager outlives the connection that made it.
class EphemeralKey {
 public:
  explicit EphemeralKey(const EphemeralKeyId& id)
      : selection_(id.selection), unique_(id.unique), session_(id.salt_key) {}

  /// The key under the present PCR values, certified by the attestation key.
  [[nodiscard]] CertifiedKey certify(Connection& connection, TPM2_HANDLE attestation_key);

  /// The first of the commands of decrypt(), ahead of it: PolicyPCR. What stands in its way is left to decrypt().
  void prepare_decrypt(Connection& connection);

  /// PolicyPCR, unless it is prepared, and RSA_Decrypt; more only when something is not in the TPM.
  /// @throws Error kTpm when the TPM refuses the ciphertext
  [[nodiscard]] Bytes decrypt(Connection& connection, ByteView ciphertext, const RsaScheme& scheme);

  /// The same for a wrapped key, with nothing told apart that an attacker could ask about: a block that the TPM refuses
  /// is no value, at once and without an error. Whoever gets none, or cannot open anything with what he gets, asks
  /// confirm() in either case.
  [[nodiscard]] std::optional<Bytes> unwrap(Connection& connection, ByteView ciphertext, const RsaScheme& scheme);

  /// Whether the key that decrypts is still the one in the TPM; false, with what is stale forgotten, when it has to be
  /// tried once more. Always the same three commands, whatever failed before.
  [[nodiscard]] bool confirm(Connection& connection);

  /// Takes key and session out of the TPM; the key's saved context is kept, so that it comes back without being
  /// generated again. Returns whether a slot was freed.
  bool park(Connection& connection) noexcept;
  /// Takes everything out of the TPM and forgets it.
  void flush(Connection& connection) noexcept;
  /// Whatever was in the TPM is gone.
  void forget(Connection& connection) noexcept;
  [[nodiscard]] bool loaded() const noexcept { return handle_ != 0 || session_.open(); }

 private:
  /// No value when the TPM refuses the block itself, with its code in `refusal`; everything else that can be mended is.
  [[nodiscard]] std::optional<Bytes> decrypt_unless_refused(Connection& connection, ByteView ciphertext,
                                                            const RsaScheme& scheme, TSS2_RC& refusal);
  void ensure_loaded(Connection& connection);
  void create(Connection& connection, const Sha256Digest& pcr_digest);
  [[nodiscard]] bool restore(Connection& connection);
  /// What the TPM still has of what was left there. Nobody else knows the session, so it goes with a reset only.
  enum class Remains { kNothing, kSession, kKeyAndSession };
  [[nodiscard]] Remains remains(Connection& connection);
  /// Forgets a key that is not there any more. Its session is flushed: it would take a slot until the TPM is reset.
  void forget_key(Connection& connection, Remains remains);

  PcrSelection selection_;
  KeyTemplate unique_;
  Sha256Digest pcr_digest_{};
  TPM2_HANDLE handle_ = 0;
  Bytes name_;
  Bytes public_area_;
  TpmEpoch epoch_;
  std::optional<TPMS_CONTEXT> saved_;
  PolicySession session_;
};

}  // namespace cga::tpm
