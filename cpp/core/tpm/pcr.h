// Platform configuration registers.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"

namespace cga::tpm {

/// PCRs of one bank; bit n of `mask` is PCR n. PC Client TPMs have 24 of them.
struct PcrSelection {
  TPM2_ALG_ID bank = TPM2_ALG_SHA256;
  std::uint32_t mask = 0;

  [[nodiscard]] TPML_PCR_SELECTION to_tpm() const noexcept;
  friend auto operator<=>(const PcrSelection&, const PcrSelection&) = default;
};

/// The PCRs of one bank in a selection that the TPM answered with, bit n for PCR n.
[[nodiscard]] std::uint32_t pcr_mask(const TPML_PCR_SELECTION& selection, TPM2_ALG_ID bank) noexcept;

struct PcrValue {
  std::uint32_t index;
  Bytes digest;
};

/// TPM2_PCR_Event: every allocated bank is extended by its own hash of `data`, at most 1,024 bytes.
/// @throws Error kTpm; TPM_RC_LOCALITY says that the platform keeps this PCR (17 to 22) from its guest
[[nodiscard]] std::vector<PcrValue> event_pcr(Connection& connection, std::uint32_t index, ByteView data);

/// TPM2_PCR_Extend of one bank. @param digest as long as the bank's hash
/// @throws Error like event_pcr()
void extend_pcr(Connection& connection, std::uint32_t index, TPM2_ALG_ID bank, ByteView digest);

using Sha256Digest = std::array<std::uint8_t, 32>;

/// All selected PCRs in ascending order, from one state of the TPM: read again when one changed in between.
/// @throws Error kTpm when a selected PCR does not exist or its bank is not allocated, kInvalidArgument when none is
/// selected
[[nodiscard]] std::vector<PcrValue> read_pcrs(Connection& connection, const PcrSelection& selection);

/// SHA-256 over the concatenated values: what PolicyPCR and a quote by a SHA-256 key compare (part 3, 23.7).
[[nodiscard]] Sha256Digest pcr_digest(const std::vector<PcrValue>& values);

/// Policy digest of a SHA-256 session after one PolicyPCR (part 3, 23.7):
/// SHA-256(zero digest || TPM_CC_PolicyPCR || TPML_PCR_SELECTION || pcr_digest).
[[nodiscard]] Sha256Digest policy_pcr_digest(const PcrSelection& selection, const Sha256Digest& pcr_digest);

}  // namespace cga::tpm
