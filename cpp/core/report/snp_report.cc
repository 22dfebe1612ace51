#include "core/report/snp_report.h"

namespace cga {

namespace {

constexpr std::size_t kCurrentTcb = 0x038;
constexpr std::size_t kKeyInfo = 0x048;
constexpr std::size_t kReportedTcb = 0x180;
constexpr std::size_t kCpuid = 0x188;
constexpr std::size_t kChipId = 0x1A0;
constexpr std::size_t kCommittedTcb = 0x1E0;
constexpr std::size_t kCurrentVersion = 0x1E8;
constexpr std::size_t kCommittedVersion = 0x1EC;
constexpr std::size_t kLaunchTcb = 0x1F0;
constexpr std::size_t kLaunchMitVector = 0x1F8;
constexpr std::size_t kCurrentMitVector = 0x200;

TcbLayout guess_layout(Bytes report, const std::optional<SnpReport::Cpuid>& cpuid) {
  if (cpuid) return cpuid->family >= 0x1A ? TcbLayout::kTurin : TcbLayout::kMilan;
  const Bytes chip_id = report.subspan(kChipId, 64);
  return all_zero(chip_id.subspan(8)) && !all_zero(chip_id.first(8)) ? TcbLayout::kTurin : TcbLayout::kMilan;
}

SnpReport::FirmwareVersion firmware_version(Bytes report, std::size_t offset) {
  return {.build = report[offset], .minor = report[offset + 1], .major = report[offset + 2]};
}

void note_unknown(SnpReport& result, Bytes report) {
  const auto reserved = [&](std::size_t begin, std::size_t end) {
    if (all_zero(report.subspan(begin, end - begin))) return;
    result.unknown.push_back(
        {.offset = static_cast<std::uint16_t>(begin), .size = static_cast<std::uint16_t>(end - begin)});
  };
  const auto tcb = [&](std::size_t begin) {
    if (!tcb_reserved_zero(report.subspan(begin, kTcbSize), result.tcb_layout)) reserved(begin, begin + kTcbSize);
  };
  tcb(kCurrentTcb);
  reserved(0x04C, 0x050);
  tcb(kReportedTcb);
  reserved(result.cpuid ? 0x18B : kCpuid, kChipId);
  tcb(kCommittedTcb);
  if (result.version < 2) {
    reserved(kCurrentVersion, kSnpSignedSize);
    return;
  }
  reserved(0x1EB, kCommittedVersion);
  reserved(0x1EF, kLaunchTcb);
  tcb(kLaunchTcb);
  reserved(result.version < 5 ? kLaunchMitVector : 0x208, kSnpSignedSize);
}

}  // namespace

SnpProduct product_of(SnpReport::Cpuid cpuid) {
  if (cpuid.family == 0x19) {
    if (cpuid.model <= 0x0F) return SnpProduct::kMilan;
    if (cpuid.model >= 0x10 && cpuid.model <= 0x1F) return SnpProduct::kGenoa;
    if (cpuid.model >= 0xA0 && cpuid.model <= 0xAF) return SnpProduct::kGenoa;  // Bergamo and Siena share Genoa's keys
  }
  if (cpuid.family == 0x1A && cpuid.model <= 0x11) return SnpProduct::kTurin;
  return SnpProduct::kUnknown;
}

SnpReport parse_snp_report(Bytes report, std::optional<TcbLayout> layout) {
  if (report.empty()) throw Error(ErrorKind::kEmpty, "the SNP report is empty");
  if (report.size() != kSnpReportSize) {
    throw Error(ErrorKind::kParse, "an SNP report is 1184 bytes long, not " + std::to_string(report.size()));
  }
  SnpReport result;
  result.version = load_le32(report, 0x000);
  if (result.version == 0) throw Error(ErrorKind::kParse, "SNP report version 0 does not exist");
  result.guest_svn = load_le32(report, 0x004);
  result.policy = load_le64(report, 0x008);
  result.vmpl = load_le32(report, 0x030);
  result.signature_algo = load_le32(report, 0x034);
  result.platform_info = load_le64(report, 0x040);
  result.key_info = load_le32(report, kKeyInfo);
  if (result.version >= 3) {
    result.cpuid =
        SnpReport::Cpuid{.family = report[kCpuid], .model = report[kCpuid + 1], .stepping = report[kCpuid + 2]};
    result.product = product_of(*result.cpuid);
  }
  result.tcb_layout = layout.value_or(guess_layout(report, result.cpuid));
  const auto tcb = [&](std::size_t offset) { return decode_tcb(report.subspan(offset, kTcbSize), result.tcb_layout); };
  result.current_tcb = tcb(kCurrentTcb);
  result.reported_tcb = tcb(kReportedTcb);
  result.committed_tcb = tcb(kCommittedTcb);
  if (result.version >= 2) {
    result.current = firmware_version(report, kCurrentVersion);
    result.committed = firmware_version(report, kCommittedVersion);
    result.launch_tcb = tcb(kLaunchTcb);
  }
  if (result.version >= 5) {
    result.launch_mit_vector = load_le64(report, kLaunchMitVector);
    result.current_mit_vector = load_le64(report, kCurrentMitVector);
  }
  note_unknown(result, report);
  return result;
}

}  // namespace cga
