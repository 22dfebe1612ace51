#include "core/report/hcl_report.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <string_view>
#include <vector>

using cga::Error;
using cga::ErrorKind;
using cga::HclReport;
using cga::HclReportType;

namespace {

constexpr std::string_view kClaims = R"({"keys":[]})";

void put32(std::vector<std::uint8_t>& bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

// A report of `type` whose claims are bound by `hash` (1 to 3), with the 20- or 24-byte runtime data header.
std::vector<std::uint8_t> hcl_report(std::uint32_t type = 2, std::uint32_t hash = 1, std::uint32_t header = 20) {
  const auto claims_size = static_cast<std::uint32_t>(kClaims.size());
  std::vector<std::uint8_t> bytes(1216 + header + claims_size);
  put32(bytes, 0, 0x414C4348);
  put32(bytes, 4, 2);
  put32(bytes, 8, 1216 + header + claims_size);
  put32(bytes, 12, 2);
  put32(bytes, 1216, header + claims_size);
  put32(bytes, 1220, 1);
  put32(bytes, 1224, type);
  put32(bytes, 1228, hash);
  put32(bytes, 1232, claims_size);
  std::copy(kClaims.begin(), kClaims.end(), bytes.begin() + 1216 + header);
  const EVP_MD* algorithm = hash == 1 ? EVP_sha256() : hash == 2 ? EVP_sha384() : EVP_sha512();
  const std::size_t report_data = type == 2 ? 0x50 : type == 4 ? 128 : 24;
  REQUIRE(EVP_Digest(kClaims.data(), kClaims.size(), &bytes[32 + report_data], nullptr, algorithm, nullptr) == 1);
  return bytes;
}

ErrorKind refusal(const std::vector<std::uint8_t>& bytes) {
  try {
    (void)cga::parse_hcl_report(bytes);
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::kInternal;
}

}  // namespace

TEST_CASE("the claims are bound by each hash, in each type of report that has report_data") {
  for (const std::uint32_t hash : {1, 2, 3}) {
    for (const std::uint32_t type : {1, 2, 4}) {
      const auto bytes = hcl_report(type, hash);
      const HclReport report = cga::parse_hcl_report(bytes);
      CHECK(report.bound);
      CHECK(report.report_data->size() == 64);
      CHECK(std::string_view(reinterpret_cast<const char*>(report.variable_data.data()), report.variable_data.size()) ==
            kClaims);
    }
  }
}

TEST_CASE("every changed bit of report_data breaks the binding") {
  for (std::size_t bit = 0; bit < 64 * 8; ++bit) {
    auto bytes = hcl_report();
    bytes[32 + 0x50 + bit / 8] ^= static_cast<std::uint8_t>(1 << (bit % 8));
    CHECK_FALSE(cga::parse_hcl_report(bytes).bound);
  }
}

TEST_CASE("the newer runtime data header has a capability bitmap") {
  auto bytes = hcl_report(2, 1, 24);
  put32(bytes, 1236, 0x80000001);
  const HclReport report = cga::parse_hcl_report(bytes);
  CHECK(report.capabilities == 0x80000001);
  CHECK(report.bound);
}

TEST_CASE("a trusted launch report binds nothing") {
  const HclReport report = cga::parse_hcl_report(hcl_report(3));
  CHECK(report.report_type == HclReportType::kTvm);
  CHECK_FALSE(report.report_data.has_value());
  CHECK(report.hardware_report.empty());
  CHECK_FALSE(report.bound);
}

TEST_CASE("padding is allowed, and its content is reported") {
  auto bytes = hcl_report();
  bytes.resize(2600);
  CHECK(cga::parse_hcl_report(bytes).padding.size() == 2600 - 1247);
  CHECK(cga::all_zero(cga::parse_hcl_report(bytes).padding));
  bytes.back() = 1;
  CHECK_FALSE(cga::all_zero(cga::parse_hcl_report(bytes).padding));
}

TEST_CASE("sizes that contradict one another are refused") {
  for (const std::size_t field : {8, 1216, 1232}) {
    for (const std::uint32_t value : {0u, 1u, 19u, 20u, 1215u, 1216u, 0x7FFFFFFFu, 0xFFFFFFECu, 0xFFFFFFFFu}) {
      auto bytes = hcl_report();
      put32(bytes, field, value);
      CHECK(refusal(bytes) == ErrorKind::kParse);
    }
  }
  // Consistent with one another, but with no claims in it.
  auto bytes = hcl_report();
  put32(bytes, 8, 1236);
  put32(bytes, 1216, 20);
  put32(bytes, 1232, 0);
  CHECK(refusal(bytes) == ErrorKind::kParse);
}

TEST_CASE("unknown versions and types are refused") {
  for (const auto& [field, value] : std::vector<std::pair<std::size_t, std::uint32_t>>{
           {0, 0}, {4, 0}, {4, 3}, {12, 4}, {1220, 0}, {1220, 2}, {1224, 5}, {1228, 0}, {1228, 4}}) {
    auto bytes = hcl_report();
    put32(bytes, field, value);
    CHECK(refusal(bytes) == ErrorKind::kParse);
  }
}

TEST_CASE("an index that was never written is empty, not malformed") {
  CHECK(refusal({}) == ErrorKind::kEmpty);
  CHECK(refusal(std::vector<std::uint8_t>(2600)) == ErrorKind::kEmpty);
}

TEST_CASE("every prefix is refused") {
  const auto bytes = hcl_report();
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    CHECK(refusal({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}) == ErrorKind::kParse);
  }
}
