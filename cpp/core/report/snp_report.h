// ATTESTATION_REPORT of SEV-SNP, versions 1 to 5 (SEV-SNP Firmware ABI, "ATTESTATION_REPORT").
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/report/tcb.h"

namespace cga {

constexpr std::size_t kSnpReportSize = 0x4A0;
/// The signature covers the bytes before it and nothing else.
constexpr std::size_t kSnpSignedSize = 0x2A0;

enum class SnpProduct : std::uint8_t { kUnknown = 0, kMilan = 1, kGenoa = 2, kTurin = 3 };

struct SnpReport {
  struct Cpuid {
    std::uint8_t family = 0;
    std::uint8_t model = 0;
    std::uint8_t stepping = 0;
  };
  struct FirmwareVersion {
    std::uint8_t build = 0;
    std::uint8_t minor = 0;
    std::uint8_t major = 0;
  };
  /// A reserved area that is not zero.
  struct Unknown {
    std::uint16_t offset = 0;
    std::uint16_t size = 0;
  };

  std::uint32_t version = 0;
  std::uint32_t guest_svn = 0;
  std::uint64_t policy = 0;
  std::uint32_t vmpl = 0;
  std::uint32_t signature_algo = 0;
  std::uint64_t platform_info = 0;
  std::uint32_t key_info = 0;  ///< bit 0 author_key_en, 1 mask_chip_key, 4:2 signing_key, the rest reserved
  Tcb current_tcb;
  Tcb reported_tcb;
  Tcb committed_tcb;
  std::optional<Cpuid> cpuid;                 ///< version 3 and later
  std::optional<FirmwareVersion> current;     ///< version 2 and later
  std::optional<FirmwareVersion> committed;   ///< version 2 and later
  std::optional<Tcb> launch_tcb;              ///< version 2 and later
  std::uint64_t launch_mit_vector = 0;        ///< version 5 and later
  std::uint64_t current_mit_vector = 0;       ///< version 5 and later
  SnpProduct product = SnpProduct::kUnknown;  ///< from CPUID; unknown before version 3
  TcbLayout tcb_layout = TcbLayout::kMilan;
  std::vector<Unknown> unknown;
};

/// Product line by CPUID family and model (combined values), kUnknown for one whose roots are not published.
[[nodiscard]] SnpProduct product_of(SnpReport::Cpuid cpuid);

/// Decodes a report; versions above 5 are read like 5. `layout` overrides the TCB layout, which a version 2 report does
/// not tell: without it a chip id of 8 bytes followed by zeros means Turin. Throws kEmpty or kParse on a wrong size.
[[nodiscard]] SnpReport parse_snp_report(Bytes report, std::optional<TcbLayout> layout = std::nullopt);

}  // namespace cga
