// TCB_VERSION: the security patch levels of a platform's firmware (SEV-SNP Firmware ABI, "TCB_VERSION").
#pragma once

#include <cstdint>
#include <optional>

#include "core/report/bytes.h"

namespace cga {

/// The order of the eight bytes, which is also the `structVersion` of the endorsement key's certificate.
enum class TcbLayout : std::uint8_t {
  kMilan = 0,  ///< Milan and Genoa: boot loader, TEE, four reserved, SNP, microcode
  kTurin = 1,  ///< Turin and later: FMC, boot loader, TEE, SNP, three reserved, microcode
};

struct Tcb {
  std::optional<std::uint8_t> fmc;  ///< Turin and later only
  std::uint8_t bootloader = 0;
  std::uint8_t tee = 0;
  std::uint8_t snp = 0;
  std::uint8_t microcode = 0;

  friend bool operator==(const Tcb&, const Tcb&) = default;
};

constexpr std::size_t kTcbSize = 8;

/// Throws kParse unless `bytes` is exactly eight bytes long.
[[nodiscard]] Tcb decode_tcb(Bytes bytes, TcbLayout layout);
/// Whether the bytes that `layout` leaves unused are zero.
[[nodiscard]] bool tcb_reserved_zero(Bytes bytes, TcbLayout layout);

}  // namespace cga
