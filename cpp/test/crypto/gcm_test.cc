#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "core/crypto/gcm_parallel.h"
#include "core/crypto/gf128.h"
#include "core/crypto/secret.h"
#include "core/error.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes random_of(std::size_t size, std::mt19937_64& random) {
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
  return bytes;
}

std::array<std::uint8_t, 16> block(std::uint64_t high, std::uint64_t low) {
  return cga::crypto::Gf128{high, low}.to_bytes();
}

}  // namespace

TEST_CASE("GF(2^128): the products of GHASH in test case 2 of the GCM specification") {
  // H, C and the GHASH of (empty, C) from "The Galois/Counter Mode of Operation", appendix B.
  const cga::crypto::Gf128 h{0x66e94bd4ef8a2c3bU, 0x884cfa59ca342b2eU};
  const cga::crypto::Gf128 c{0x0388dace60b6a392U, 0xf328c2b971b2fe78U};
  CHECK((c * h).to_bytes() == block(0x5e2ec74691706288U, 0x2c85b0685353deb7U));
  CHECK(((c * h ^ cga::crypto::Gf128::lengths(0, 128)) * h).to_bytes() ==
        block(0xf38cbb1ad69223dcU, 0xc3457ae5b6b0f885U));
}

TEST_CASE("GF(2^128): powers, and bytes there and back") {
  std::mt19937_64 random(1);
  const cga::crypto::Gf128 h{random(), random()};
  cga::crypto::Gf128 product{0x8000000000000000U, 0};
  for (std::uint64_t i = 0; i < 40; ++i) {
    CHECK(cga::crypto::power(h, i).to_bytes() == product.to_bytes());
    product = product * h;
  }
  CHECK((cga::crypto::inverse(h) * h).to_bytes() == block(0x8000000000000000U, 0));
  CHECK((cga::crypto::inverse(h * h) * h * h).to_bytes() == block(0x8000000000000000U, 0));
  CHECK(cga::crypto::inverse({}).to_bytes() == block(0, 0));
  for (int i = 0; i < 1000; ++i) {
    const cga::crypto::Gf128 value{random(), random()};
    CHECK(cga::crypto::square(value).to_bytes() == (value * value).to_bytes());
  }
  const auto bytes = h.to_bytes();
  CHECK(cga::crypto::Gf128::from_bytes(bytes).to_bytes() == bytes);
}

TEST_CASE("AES-256-GCM on several threads makes the same bytes as on one") {
  std::mt19937_64 random(2);
  const Bytes key = random_of(32, random);
  const std::size_t around = cga::crypto::kParallelFrom;
  for (const std::size_t size : {around - 1, around, around + 1, around + 15, around + 16, 2 * around, 2 * around + 5,
                                 5 * around - 3, 7 * around + 8 * 1024 + 1}) {
    CAPTURE(size);
    std::array<std::uint8_t, 12> iv{};
    for (auto& byte : iv) byte = static_cast<std::uint8_t>(random());
    const Bytes plain = random_of(size, random);
    const Bytes aad = random_of(random() % 70, random);
    Bytes one(size);
    Bytes many(size);
    std::array<std::uint8_t, 16> tag_one{};
    std::array<std::uint8_t, 16> tag_many{};
    cga::crypto::GcmSealer(key).seal(iv, aad, plain, one.data(), tag_one);
    cga::crypto::seal_parallel(key, iv, aad, plain, many.data(), tag_many, 4);
    CHECK(one == many);
    CHECK(tag_one == tag_many);

    Bytes opened(size);
    CHECK(cga::crypto::open_parallel(key, iv, aad, one, tag_one, opened.data(), 4));
    CHECK(opened == plain);
    // In place, and then with one bit wrong.
    CHECK(cga::crypto::open_parallel(key, iv, aad, many, tag_many, many.data(), 4));
    CHECK(many == plain);
    one[random() % size] ^= 1;
    CHECK_FALSE(cga::crypto::open_parallel(key, iv, aad, one, tag_one, opened.data(), 4));
    CHECK(opened == Bytes(size));
  }
}

TEST_CASE("a wrong tag, IV, AAD or key leaves zeros") {
  std::mt19937_64 random(3);
  for (const std::size_t size : {std::size_t{100}, 2 * cga::crypto::kParallelFrom}) {
    const Bytes key = random_of(32, random);
    const std::array<std::uint8_t, 12> iv{1, 2, 3};
    const Bytes plain = random_of(size, random);
    const Bytes aad{1, 2, 3};
    Bytes sealed(size);
    std::array<std::uint8_t, 16> tag{};
    cga::crypto::seal_parallel(key, iv, aad, plain, sealed.data(), tag, 2);
    auto other_tag = tag;
    other_tag[15] ^= 0x80;
    auto other_iv = iv;
    other_iv[0] ^= 1;
    Bytes other_key = key;
    other_key[31] ^= 1;
    Bytes out(size, 7);
    CHECK_FALSE(cga::crypto::open_parallel(key, iv, aad, sealed, other_tag, out.data(), 2));
    CHECK(out == Bytes(size));
    CHECK_FALSE(cga::crypto::open_parallel(key, other_iv, aad, sealed, tag, out.data(), 2));
    CHECK_FALSE(cga::crypto::open_parallel(key, iv, Bytes{1, 2}, sealed, tag, out.data(), 2));
    CHECK_FALSE(cga::crypto::open_parallel(other_key, iv, aad, sealed, tag, out.data(), 2));
    CHECK(out == Bytes(size));
  }
}

TEST_CASE("lengths and keys that GCM does not take are refused") {
  CHECK_NOTHROW(cga::crypto::check_gcm_length((std::size_t{1} << 36) - 32));
  CHECK_THROWS_AS(cga::crypto::check_gcm_length((std::size_t{1} << 36) - 31), cga::Error);
  CHECK_THROWS_AS(cga::crypto::GcmSealer(Bytes(31)), cga::Error);
  CHECK_THROWS_AS(cga::crypto::GcmOpener(Bytes(33)), cga::Error);
}

TEST_CASE("the self-test of messages in parts") {
  CHECK(cga::crypto::self_test_parallel());
  for (const int what : {0, 1}) {
    // A kernel that computes something else in its bulk, or in its tag.
    CHECK_FALSE(
        cga::crypto::self_test_parallel([what](auto key, auto iv, auto aad, auto input, auto* output, auto tag) {
          cga::crypto::GcmSealer(key).seal(iv, aad, input, output, tag);
          if (input.size() > 1024) (what == 0 ? output[700] : tag[3]) ^= 1;
        }));
    // From then on all is done in one thread, and right.
    const std::vector<std::uint8_t> key(32, 1);
    const std::array<std::uint8_t, cga::crypto::kGcmIvSize> iv{};
    std::vector<std::uint8_t> whole(1 << 20, 2);
    std::vector<std::uint8_t> parts = whole;
    std::array<std::uint8_t, cga::crypto::kGcmTagSize> tag_of_whole{};
    std::array<std::uint8_t, cga::crypto::kGcmTagSize> tag_of_parts{};
    cga::crypto::GcmSealer(key).seal(iv, {}, whole, whole.data(), tag_of_whole);
    cga::crypto::seal_parallel(key, iv, {}, parts, parts.data(), tag_of_parts, 2);
    CHECK(whole == parts);
    CHECK(tag_of_whole == tag_of_parts);
  }
  CHECK(cga::crypto::self_test_parallel([](auto key, auto iv, auto aad, auto input, auto* output, auto tag) {
    cga::crypto::GcmSealer(key).seal(iv, aad, input, output, tag);
  }));
}
