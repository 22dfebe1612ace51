// What the TPM can do and what it holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tpm/connection.h"
#include "core/tpm/pcr.h"

namespace cga::tpm {

struct Capabilities {
  std::string manufacturer;            ///< four characters, for instance "MSFT" or "IBM"
  std::uint64_t firmware_version = 0;  ///< TPM_PT_FIRMWARE_VERSION_1 and _2
  std::uint32_t pcr_count = 0;
  std::uint16_t nv_buffer_maximum = 0;  ///< bytes in one NV_Read or NV_Write
  std::vector<PcrSelection> pcr_banks;  ///< allocated PCRs; a bank with none of them has mask 0
};

[[nodiscard]] Capabilities read_capabilities(Connection& connection);

/// Handles that exist, by the first one of their range: TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST,
/// TPM2_ACTIVE_SESSION_FIRST, TPM2_PERSISTENT_FIRST or TPM2_NV_INDEX_FIRST.
[[nodiscard]] std::vector<TPM2_HANDLE> read_handles(Connection& connection, TPM2_HANDLE first);

/// Counters that tell one life of the TPM's volatile state from the next (TPMS_CLOCK_INFO).
struct TpmEpoch {
  UINT32 reset_count = 0;
  UINT32 restart_count = 0;
  friend bool operator==(const TpmEpoch&, const TpmEpoch&) = default;
};

/// TPM2_ReadClock.
[[nodiscard]] TpmEpoch read_epoch(Connection& connection);

/// TPM_PT_NV_BUFFER_MAX, bounded by what a command of this TSS can carry.
[[nodiscard]] std::uint16_t nv_buffer_maximum(Connection& connection);

}  // namespace cga::tpm
