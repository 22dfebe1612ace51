#include "core/crypto/freed_memory.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

namespace {

/// Sanitizers bring an allocator of their own, which gives no block back soon.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = false;
#else
constexpr bool kOwnAllocator = true;
#endif

/// What no other test has written.
constexpr std::array<std::uint8_t, 16> kSecret{0xC5, 0x1D, 0x93, 0x6A, 0xE0, 0x47, 0xBB, 0x28,
                                               0x9F, 0x74, 0x02, 0xD6, 0x5E, 0xA1, 0x38, 0xFC};

/// Through a volatile pointer, so that neither the block nor what is written to it is optimized away.
std::uint8_t* allocated(std::size_t size) {
  void* volatile block = std::malloc(size);
  return static_cast<std::uint8_t*>(block);
}

void free_with_secret(std::size_t size) {
  std::uint8_t* const block = allocated(size);
  REQUIRE(block != nullptr);
  for (std::size_t i = 0; i < size; ++i) block[i] = kSecret[i % kSecret.size()];
  std::free(block);
}

/// How many of the next blocks of that size have the secret in them.
std::size_t left_in_blocks(std::size_t size) {
  std::vector<std::uint8_t*> blocks(16);
  std::size_t left = 0;
  for (std::uint8_t*& block : blocks) {
    block = allocated(size);
    if (std::search(block, block + size, kSecret.begin(), kSecret.end()) != block + size) ++left;
  }
  for (std::uint8_t* block : blocks) std::free(block);
  return left;
}

TEST_CASE("what is freed within the scope is overwritten") {
  if (!kOwnAllocator) return;
  for (const std::size_t size : {48U, 138U, 400U, 1024U, 1040U, 1218U, 2400U, 5000U}) {
    CAPTURE(size);
    {
      const cga::crypto::FreedMemoryWiped outer;
      { const cga::crypto::FreedMemoryWiped inner; }
      for (int i = 0; i < 3; ++i) free_with_secret(size);
    }
    CHECK(left_in_blocks(size) == 0);
  }
}

TEST_CASE("what is freed after it is left as it is: the test sees what it looks for") {
  if (!kOwnAllocator) return;
  { const cga::crypto::FreedMemoryWiped scope; }
  free_with_secret(1218);
  CHECK(left_in_blocks(1218) > 0);
}

}  // namespace
