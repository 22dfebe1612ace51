#include "core/report/hcl_report.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>

namespace cga {

namespace {

constexpr std::size_t kHardwareArea = 32;
constexpr std::size_t kHardwareAreaSize = 1184;
constexpr std::size_t kRuntimeHeader = kHardwareArea + kHardwareAreaSize;  // 1216
constexpr std::size_t kRuntimeHeaderSize = 20;
constexpr std::uint32_t kSignature = 0x414C4348;  // "HCLA"
// The index holds 2600 bytes at most today; a saved file may be padded further.
constexpr std::size_t kMaximumSize = 1 << 20;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::kParse, "HCL report: " + why);
}

struct HardwareLayout {
  std::size_t size;
  std::size_t report_data;  // offset of the 64 bytes; 0 when there are none
};

HardwareLayout layout_of(HclReportType type) {
  switch (type) {
    case HclReportType::kSnp:
      return {.size = 1184, .report_data = 0x50};
    case HclReportType::kTdx:
      return {.size = 1024, .report_data = 128};  // REPORTMACSTRUCT.REPORTDATA
    case HclReportType::kVbs:
      return {.size = 0x230, .report_data = 24};  // 20-byte header, version
    case HclReportType::kInvalid:
    case HclReportType::kTvm:
      break;
  }
  return {.size = 0, .report_data = 0};
}

bool is_bound(HclHashType type, Bytes data, Bytes report_data) {
  const EVP_MD* algorithm = type == HclHashType::kSha256   ? EVP_sha256()
                            : type == HclHashType::kSha384 ? EVP_sha384()
                                                           : EVP_sha512();
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, algorithm, nullptr) != 1) {
    throw Error(ErrorKind::kInternal, "hashing failed");
  }
  return CRYPTO_memcmp(digest.data(), report_data.data(), size) == 0 && all_zero(report_data.subspan(size));
}

}  // namespace

HclReport parse_hcl_report(Bytes bytes) {
  if (bytes.empty()) throw Error(ErrorKind::kEmpty, "the HCL report is empty");
  if (bytes.size() > kMaximumSize) refuse("larger than 1 MiB");
  if (all_zero(bytes)) throw Error(ErrorKind::kEmpty, "the HCL report is all zero: its NV index was never written");
  if (bytes.size() < kRuntimeHeader + kRuntimeHeaderSize) refuse("shorter than its fixed part of 1236 bytes");
  if (load_le32(bytes, 0) != kSignature) refuse("does not begin with HCLA");

  HclReport report;
  report.header_version = load_le32(bytes, 4);
  if (report.header_version < 1 || report.header_version > 2) refuse("unknown header version");
  report.report_size = load_le32(bytes, 8);
  report.request_type = load_le32(bytes, 12);
  if (report.request_type > 3) refuse("unknown request type");
  report.status = load_le32(bytes, 16);
  report.header_reserved = bytes.subspan(20, 12);

  const std::uint32_t data_size = load_le32(bytes, kRuntimeHeader);
  if (load_le32(bytes, kRuntimeHeader + 4) != 1) refuse("unknown runtime data version");
  const std::uint32_t type = load_le32(bytes, kRuntimeHeader + 8);
  if (type > 4) refuse("unknown report type");
  report.report_type = static_cast<HclReportType>(type);
  const std::uint32_t hash = load_le32(bytes, kRuntimeHeader + 12);
  if (hash < 1 || hash > 3) refuse("unknown hash type");
  report.hash_type = static_cast<HclHashType>(hash);
  const std::uint32_t variable_size = load_le32(bytes, kRuntimeHeader + 16);

  // 64-bit sums: every size below comes from the report.
  if (data_size > bytes.size() - kRuntimeHeader) refuse("runtime data reaches past the end");
  if (std::uint64_t{report.report_size} != kRuntimeHeader + std::uint64_t{data_size}) {
    refuse("report_size does not match data_size");
  }
  if (data_size < variable_size) refuse("variable data larger than the runtime data");
  const std::uint32_t header_size = data_size - variable_size;
  if (header_size != kRuntimeHeaderSize && header_size != kRuntimeHeaderSize + 4) {
    refuse("data_size does not match variable_data_size");
  }
  if (header_size > kRuntimeHeaderSize) report.capabilities = load_le32(bytes, kRuntimeHeader + kRuntimeHeaderSize);
  if (variable_size == 0) refuse("no variable data");
  report.variable_data = bytes.subspan(kRuntimeHeader + header_size, variable_size);
  report.padding = bytes.subspan(report.report_size);

  const HardwareLayout layout = layout_of(report.report_type);
  report.hardware_report = bytes.subspan(kHardwareArea, layout.size);
  report.unused_area_zero = all_zero(bytes.subspan(kHardwareArea + layout.size, kHardwareAreaSize - layout.size));
  if (layout.report_data != 0) {
    report.report_data = report.hardware_report.subspan(layout.report_data, 64);
    report.bound = is_bound(report.hash_type, report.variable_data, *report.report_data);
  }
  return report;
}

}  // namespace cga
