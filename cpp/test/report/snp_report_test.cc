#include "core/report/snp_report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

using cga::Error;
using cga::ErrorKind;
using cga::SnpProduct;
using cga::SnpReport;
using cga::Tcb;
using cga::TcbLayout;

namespace {

std::vector<std::uint8_t> report_of(std::uint8_t version) {
  std::vector<std::uint8_t> report(cga::kSnpReportSize);
  report[0] = version;
  return report;
}

void set_cpuid(std::vector<std::uint8_t>& report, std::uint8_t family, std::uint8_t model) {
  report[0x188] = family;
  report[0x189] = model;
}

}  // namespace

TEST_CASE("an SNP report has one size") {
  for (std::size_t size = 0; size < 2 * cga::kSnpReportSize; ++size) {
    std::vector<std::uint8_t> bytes(size, 2);
    if (size == cga::kSnpReportSize) {
      CHECK_NOTHROW((void)cga::parse_snp_report(bytes));
    } else {
      CHECK_THROWS_AS((void)cga::parse_snp_report(bytes), Error);
    }
  }
}

TEST_CASE("no bytes are told apart from wrong bytes") {
  try {
    (void)cga::parse_snp_report({});
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kEmpty);
  }
  try {
    (void)cga::parse_snp_report(report_of(0));
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kParse);
  }
}

TEST_CASE("fields appear with the report version that brought them") {
  for (const std::uint8_t version : std::initializer_list<std::uint8_t>{1, 2, 3, 4, 5, 6}) {
    const SnpReport report = cga::parse_snp_report(report_of(version));
    CHECK(report.version == version);
    CHECK(report.launch_tcb.has_value() == (version >= 2));
    CHECK(report.current.has_value() == (version >= 2));
    CHECK(report.cpuid.has_value() == (version >= 3));
    CHECK(report.unknown.empty());
  }
  auto bytes = report_of(5);
  bytes[0x1F8] = 1;
  bytes[0x207] = 2;
  CHECK(cga::parse_snp_report(bytes).launch_mit_vector == 1);
  CHECK(cga::parse_snp_report(bytes).current_mit_vector == std::uint64_t{2} << 56);
  bytes[0] = 4;
  CHECK(cga::parse_snp_report(bytes).launch_mit_vector == 0);
  CHECK(cga::parse_snp_report(bytes).unknown.size() == 1);
}

TEST_CASE("the TCB layout follows the processor, the caller, or the shape of the chip id") {
  auto bytes = report_of(3);
  const std::array<std::uint8_t, 8> tcb{1, 2, 3, 4, 0, 0, 0, 0x51};
  std::copy(tcb.begin(), tcb.end(), bytes.begin() + 0x180);
  set_cpuid(bytes, 0x1A, 0x02);
  const Tcb turin{.fmc = 1, .bootloader = 2, .tee = 3, .snp = 4, .microcode = 0x51};
  CHECK(cga::parse_snp_report(bytes).reported_tcb == turin);

  set_cpuid(bytes, 0x19, 0x01);
  const Tcb milan{.fmc = std::nullopt, .bootloader = 1, .tee = 2, .snp = 0, .microcode = 0x51};
  CHECK(cga::parse_snp_report(bytes).reported_tcb == milan);
  CHECK(cga::parse_snp_report(bytes).unknown.size() == 1);  // bytes 2 and 3 mean nothing there

  set_cpuid(bytes, 0, 0);
  bytes[0] = 2;
  CHECK(cga::parse_snp_report(bytes).tcb_layout == TcbLayout::kMilan);  // a masked chip id says nothing
  bytes[0x1A0] = 1;
  CHECK(cga::parse_snp_report(bytes).tcb_layout == TcbLayout::kTurin);
  bytes[0x1A8] = 1;
  CHECK(cga::parse_snp_report(bytes).tcb_layout == TcbLayout::kMilan);
  CHECK(cga::parse_snp_report(bytes, TcbLayout::kTurin).reported_tcb == turin);
}

TEST_CASE("products by family and model") {
  const auto product = [](std::uint8_t family, std::uint8_t model) {
    return cga::product_of({.family = family, .model = model, .stepping = 0});
  };
  CHECK(product(0x19, 0x00) == SnpProduct::kMilan);
  CHECK(product(0x19, 0x0F) == SnpProduct::kMilan);
  CHECK(product(0x19, 0x10) == SnpProduct::kGenoa);
  CHECK(product(0x19, 0x1F) == SnpProduct::kGenoa);
  CHECK(product(0x19, 0x20) == SnpProduct::kUnknown);
  CHECK(product(0x19, 0xA0) == SnpProduct::kGenoa);
  CHECK(product(0x1A, 0x00) == SnpProduct::kTurin);
  CHECK(product(0x1A, 0x11) == SnpProduct::kTurin);
  CHECK(product(0x1A, 0x12) == SnpProduct::kUnknown);
  CHECK(product(0x1A, 0x50) == SnpProduct::kUnknown);
  CHECK(product(0x17, 0x01) == SnpProduct::kUnknown);
}

TEST_CASE("a TCB has eight bytes") {
  for (std::size_t size = 0; size < 16; ++size) {
    const std::vector<std::uint8_t> bytes(size);
    if (size != 8) CHECK_THROWS_AS((void)cga::decode_tcb(bytes, TcbLayout::kMilan), Error);
  }
}
