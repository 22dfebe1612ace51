#include "core/report/tpm_structures.h"

#include <doctest/doctest.h>

#include <vector>

using cga::Error;
using cga::TpmsAttest;
using Bytes = std::vector<std::uint8_t>;

namespace {

void put(Bytes& bytes, std::uint64_t value, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_sized(Bytes& bytes, std::size_t size, std::uint8_t fill) {
  put(bytes, size, 2);
  bytes.insert(bytes.end(), size, fill);
}

// Common head of TPMS_ATTEST.
Bytes head(std::uint16_t type) {
  Bytes bytes;
  put(bytes, 0xFF544347, 4);
  put(bytes, type, 2);
  put_sized(bytes, 34, 1);
  put_sized(bytes, 9, 2);
  put(bytes, 0x0102030405060708, 8);
  put(bytes, 3, 4);
  put(bytes, 4, 4);
  put(bytes, 1, 1);
  put(bytes, 0x2020031200120003, 8);
  return bytes;
}

Bytes quote() {
  Bytes bytes = head(0x8018);
  put(bytes, 1, 4);
  put(bytes, 0x000B, 2);
  put(bytes, 3, 1);
  put(bytes, 0x810080, 3);  // PCRs 0, 7 and 23
  put_sized(bytes, 32, 3);
  return bytes;
}

Bytes rsa_public(std::uint16_t scheme) {
  Bytes bytes(2);  // the size, filled in last
  put(bytes, 0x0001, 2);
  put(bytes, 0x000B, 2);
  put(bytes, 0x00050472, 4);
  put_sized(bytes, 0, 0);
  put(bytes, 0x0010, 2);
  put(bytes, scheme, 2);
  if (scheme != 0x0010 && scheme != 0x0015) put(bytes, 0x000B, 2);
  put(bytes, 2048, 2);
  put(bytes, 0, 4);
  put_sized(bytes, 256, 0xC3);
  const std::size_t size = bytes.size() - 2;
  bytes[0] = static_cast<std::uint8_t>(size >> 8);
  bytes[1] = static_cast<std::uint8_t>(size);
  return bytes;
}

template <typename Parse>
void refuse_every_prefix(const Bytes& bytes, Parse parse) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_THROWS_AS((void)parse(cga::Bytes(bytes).first(size)), Error);
  }
}

}  // namespace

TEST_CASE("a quote") {
  const Bytes bytes = quote();
  const TpmsAttest attest = cga::parse_tpms_attest(bytes);
  CHECK(attest.magic == cga::kTpmGenerated);
  CHECK(attest.type == cga::kTpmAttestQuote);
  CHECK(attest.extra_data.size() == 9);
  CHECK(attest.clock == 0x0102030405060708);
  CHECK(attest.reset_count == 3);
  CHECK(attest.restart_count == 4);
  CHECK(attest.safe);
  REQUIRE(attest.pcr_selections.size() == 1);
  CHECK(attest.pcr_selections[0].pcrs == std::vector<std::uint8_t>{0, 7, 23});
  CHECK(attest.pcr_digest.size() == 32);
  refuse_every_prefix(bytes, cga::parse_tpms_attest);
}

TEST_CASE("a quote followed by other bytes is refused") {
  Bytes bytes = quote();
  bytes.push_back(0);
  CHECK_THROWS_AS((void)cga::parse_tpms_attest(bytes), Error);
}

TEST_CASE("a certification") {
  Bytes bytes = head(0x8017);
  put_sized(bytes, 34, 4);
  put_sized(bytes, 34, 5);
  const TpmsAttest attest = cga::parse_tpms_attest(bytes);
  CHECK(attest.name.size() == 34);
  CHECK(attest.qualified_name.size() == 34);
  refuse_every_prefix(bytes, cga::parse_tpms_attest);
}

TEST_CASE("counts and sizes are bounded before anything is kept") {
  Bytes many = head(0x8018);
  put(many, 0xFFFFFFFF, 4);
  CHECK_THROWS_AS((void)cga::parse_tpms_attest(many), Error);
  Bytes wide = head(0x8018);
  put(wide, 1, 4);
  put(wide, 0x000B, 2);
  put(wide, 5, 1);
  put(wide, 0, 5);
  put_sized(wide, 32, 0);
  CHECK_THROWS_AS((void)cga::parse_tpms_attest(wide), Error);
}

TEST_CASE("an RSA public area") {
  for (const std::uint16_t scheme : std::initializer_list<std::uint16_t>{0x0010, 0x0014, 0x0015, 0x0017}) {
    const Bytes bytes = rsa_public(scheme);
    const cga::TpmPublic key = cga::parse_tpm2b_public(bytes);
    CHECK(key.key_bits == 2048);
    CHECK(key.exponent == 65537);
    CHECK(key.modulus.size() == 256);
    CHECK(key.name.size() == 34);
    CHECK(key.scheme == scheme);
    refuse_every_prefix(bytes, cga::parse_tpm2b_public);
  }
}

TEST_CASE("a public area that is no RSA key, or whose modulus has another size, is refused") {
  Bytes other = rsa_public(0x0010);
  other[3] = 0x23;  // ECC
  CHECK_THROWS_AS((void)cga::parse_tpm2b_public(other), Error);
  Bytes bits = rsa_public(0x0010);
  bits[2 + 2 + 2 + 4 + 2 + 2 + 2] = 0x10;
  CHECK_THROWS_AS((void)cga::parse_tpm2b_public(bits), Error);
  Bytes behind = rsa_public(0x0010);
  behind.push_back(0);
  CHECK_THROWS_AS((void)cga::parse_tpm2b_public(behind), Error);
}

TEST_CASE("a hostile RSA key is refused or verifies nothing") {
  const Bytes message(10, 1);
  CHECK_THROWS_AS((void)cga::verify_rsassa_sha256({}, 65537, message, message), Error);
  CHECK_THROWS_AS((void)cga::verify_rsassa_sha256(Bytes(4096, 0xFF), 65537, message, message), Error);
  for (const std::uint32_t exponent : {0u, 1u, 2u, 3u, 65537u, 0xFFFFFFFFu}) {
    for (const std::uint8_t fill : std::initializer_list<std::uint8_t>{0x00, 0x01, 0x80, 0xFF}) {
      bool verified = false;
      try {
        verified = cga::verify_rsassa_sha256(Bytes(256, fill), exponent, message, Bytes(256, fill));
      } catch (const Error&) {
        continue;  // refused altogether
      }
      CHECK_FALSE(verified);
    }
  }
}
