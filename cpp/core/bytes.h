// Byte strings: what looks at bytes, and what owns them.
#pragma once

#include <openssl/crypto.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cga {

/// Zeroes what it gives back, so that a decrypted key does not stay behind in freed memory.
template <typename T>
struct CleansingAllocator {
  using value_type = T;
  CleansingAllocator() noexcept = default;
  template <typename U>
  CleansingAllocator(const CleansingAllocator<U>& /*other*/) noexcept {}
  [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) noexcept {
    OPENSSL_cleanse(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const CleansingAllocator&, const CleansingAllocator&) noexcept { return true; }
};

/// Looks at bytes, owns none.
using ByteView = std::span<const std::uint8_t>;
/// Owns bytes, and zeroes them when it gives them back.
using Bytes = std::vector<std::uint8_t, CleansingAllocator<std::uint8_t>>;

}  // namespace cga
