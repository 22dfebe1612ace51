#include "core/crypto/huge_pages.h"

#include <sys/mman.h>

#include <algorithm>

namespace cga::crypto {

void want_huge_pages(std::span<std::uint8_t> memory) noexcept {
  const std::size_t before = before_huge_page(memory);
  if (memory.size() < before + kHugePage) return;
  madvise(memory.data() + before, (memory.size() - before) / kHugePage * kHugePage, MADV_HUGEPAGE);
}

std::size_t before_huge_page(ByteView memory) noexcept {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  return std::min<std::size_t>((kHugePage - address % kHugePage) % kHugePage, memory.size());
}

}  // namespace cga::crypto
