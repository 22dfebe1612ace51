#include "core/crypto/freed_memory.h"

#include <array>
#include <cstdint>
#include <cstdlib>  // defines __GLIBC__, where it is glibc's
#include <mutex>

#ifdef __GLIBC__
#include <malloc.h>

#include "core/crypto/secret.h"

namespace cga::crypto {
namespace {

/// Freed bytes become this, newly allocated ones its complement: zeros.
constexpr int kPattern = 0xFF;

/// glibc's tcache: blocks of up to 1,032 bytes, every 16 bytes a list of at most 7. One more of each size is taken,
/// because a list that is empty is filled from those behind it.
constexpr std::size_t kSmallest = 24;
constexpr std::size_t kLargest = 1032;
constexpr std::size_t kStep = 16;
constexpr std::size_t kOfEachSize = 8;

std::mutex mutex;
int scopes = 0;

/// What the process was started with (MALLOC_PERTURB_): mallopt() does not tell.
int pattern_of_process() noexcept {
  const char* value = std::getenv("MALLOC_PERTURB_");
  return value == nullptr ? 0 : static_cast<int>(std::strtol(value, nullptr, 10));
}

void overwrite_small_blocks() noexcept {
  for (std::size_t size = kSmallest; size <= kLargest; size += kStep) {
    std::array<void*, kOfEachSize> blocks{};
    for (void*& block : blocks) {
      block = std::malloc(size);
      if (block != nullptr) secure_zero({static_cast<std::uint8_t*>(block), size});
    }
    for (void* block : blocks) std::free(block);
  }
}

}  // namespace

FreedMemoryWiped::FreedMemoryWiped() noexcept {
  const std::scoped_lock lock(mutex);
  if (scopes++ == 0) mallopt(M_PERTURB, kPattern);
}

FreedMemoryWiped::~FreedMemoryWiped() {
  overwrite_small_blocks();
  const std::scoped_lock lock(mutex);
  if (--scopes == 0) mallopt(M_PERTURB, pattern_of_process());
}

}  // namespace cga::crypto

#else

namespace cga::crypto {

FreedMemoryWiped::FreedMemoryWiped() noexcept = default;
FreedMemoryWiped::~FreedMemoryWiped() = default;

}  // namespace cga::crypto

#endif
