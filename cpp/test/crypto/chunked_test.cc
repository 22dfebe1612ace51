#include "core/crypto/chunked.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/error.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
const Bytes kInputKey(32, 7);
const Bytes kContext{'c'};
constexpr std::array<std::uint8_t, cga::crypto::kChunkedSaltSize> kSalt{1, 2, 3};

Bytes seal(const Bytes& plain, std::size_t piece) {
  cga::crypto::ChunkSealer sealer(kInputKey, kSalt, kContext);
  Bytes sealed(sealer.prefix().begin(), sealer.prefix().end());
  for (std::size_t at = 0; at < plain.size(); at += piece) {
    const auto part = std::span(plain).subspan(at, std::min(piece, plain.size() - at));
    Bytes out(sealer.update_size(part.size()));
    CHECK(sealer.update(part, out.data(), 2) == out.size());
    sealed.insert(sealed.end(), out.begin(), out.end());
  }
  Bytes out(sealer.finish_size());
  CHECK(sealer.finish(out.data()) == out.size());
  sealed.insert(sealed.end(), out.begin(), out.end());
  return sealed;
}

Bytes open(const Bytes& sealed, std::size_t piece) {
  cga::crypto::ChunkOpener opener(kInputKey, std::span(sealed).first<cga::crypto::kChunkedPrefixSize>(), kContext);
  Bytes plain;
  for (std::size_t at = cga::crypto::kChunkedPrefixSize; at < sealed.size(); at += piece) {
    const auto part = std::span(sealed).subspan(at, std::min(piece, sealed.size() - at));
    Bytes out(opener.update_size(part.size()));
    CHECK(opener.update(part, out.data(), 2) == out.size());
    plain.insert(plain.end(), out.begin(), out.end());
  }
  Bytes out(opener.finish_size());
  CHECK(opener.finish(out.data()) == out.size());
  plain.insert(plain.end(), out.begin(), out.end());
  return plain;
}

}  // namespace

TEST_CASE("the pieces in which a stream comes change nothing") {
  for (const std::size_t size : {0U, 1U, 16383U, 16384U, 16385U, 32768U, 300001U}) {
    Bytes plain(size);
    for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::uint8_t>(i * 31 >> 3);
    const Bytes whole = seal(plain, size + 1);
    CHECK(whole.size() ==
          cga::crypto::kChunkedPrefixSize + size + (size / cga::crypto::kChunkSize + 1) * cga::crypto::kGcmTagSize);
    for (const std::size_t piece :
         {std::size_t{999}, cga::crypto::kChunkSize, cga::crypto::kSealedChunkSize, std::size_t{100000}}) {
      CHECK(seal(plain, piece) == whole);
      CHECK(open(whole, piece) == plain);
    }
  }
}

TEST_CASE("the nonce is the base nonce XOR the chunk's number, and numbers end at 2^38") {
  const cga::crypto::ChunkedKey key(kInputKey, kSalt, kContext);
  const auto base = key.nonce(0);
  auto expected = base;
  expected[11] ^= 0x04;
  expected[10] ^= 0x03;
  expected[9] ^= 0x02;
  expected[7] ^= 0x3f;
  CHECK(key.nonce(0x3f00020304) == expected);
  CHECK_NOTHROW((void)key.nonce(cga::crypto::kMaxChunks - 1));
  CHECK_THROWS_AS((void)key.nonce(cga::crypto::kMaxChunks), cga::Error);
}

TEST_CASE("a failure is for good") {
  Bytes sealed = seal(Bytes(50000, 1), 50000);
  sealed[cga::crypto::kChunkedPrefixSize + cga::crypto::kSealedChunkSize + 5] ^= 1;
  cga::crypto::ChunkOpener opener(kInputKey, std::span(sealed).first<cga::crypto::kChunkedPrefixSize>(), kContext);
  const auto body = std::span<const std::uint8_t>(sealed).subspan(cga::crypto::kChunkedPrefixSize);
  Bytes out(opener.update_size(body.size()), 9);
  CHECK_THROWS_AS((void)opener.update(body, out.data(), 2), cga::Error);
  CHECK(std::all_of(out.begin(), out.end(), [](std::uint8_t byte) { return byte == 0; }));
  CHECK_THROWS_AS((void)opener.update({}, nullptr, 2), cga::Error);
  CHECK_THROWS_AS((void)opener.finish(out.data()), cga::Error);
  sealed[30] ^= 1;
  CHECK_THROWS_AS(
      cga::crypto::ChunkOpener(kInputKey, std::span(sealed).first<cga::crypto::kChunkedPrefixSize>(), kContext),
      cga::Error);
}
