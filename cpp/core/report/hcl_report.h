// The HCL attestation report of NV index 0x01400001: a hardware report and the JSON that it binds.
#pragma once

#include <cstdint>
#include <optional>

#include "core/report/bytes.h"

namespace cga {

enum class HclReportType : std::uint8_t { kInvalid = 0, kVbs = 1, kSnp = 2, kTvm = 3, kTdx = 4 };
enum class HclHashType : std::uint8_t { kSha256 = 1, kSha384 = 2, kSha512 = 3 };

/// All spans point into the bytes that were parsed.
struct HclReport {
  std::uint32_t header_version = 0;
  std::uint32_t report_size = 0;
  std::uint32_t request_type = 0;
  std::uint32_t status = 0;
  Bytes header_reserved;  ///< 12 bytes, zero so far
  HclReportType report_type = HclReportType::kInvalid;
  HclHashType hash_type = HclHashType::kSha256;
  Bytes hardware_report;  ///< 1184 bytes for SNP, 1024 for TDX, 560 for VBS, none otherwise
  std::optional<Bytes> report_data;
  std::optional<std::uint32_t> capabilities;  ///< present in the 24-byte form of the runtime data header
  Bytes variable_data;
  Bytes padding;                 ///< what follows the variable data: the rest of the NV index
  bool unused_area_zero = true;  ///< the end of the hardware report area that `report_type` does not use
  /// Whether hash(variable_data) is the head of report_data and the rest of report_data is zero.
  bool bound = false;
};

/// Throws kEmpty for no bytes (or an index that was never written: all zero), kParse for anything malformed.
[[nodiscard]] HclReport parse_hcl_report(Bytes bytes);

}  // namespace cga
