#include "core/crypto/huge_pages.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>

TEST_CASE("huge pages: where they may begin, and advice that never touches what it is about") {
  constexpr std::size_t kSize = 3 * cga::crypto::kHugePage;
  auto* const memory =
      static_cast<std::uint8_t*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(memory != MAP_FAILED);
  const std::size_t first = cga::crypto::before_huge_page({memory, kSize});
  CHECK(reinterpret_cast<std::uintptr_t>(memory + first) % cga::crypto::kHugePage == 0);
  CHECK(first < cga::crypto::kHugePage);
  CHECK(cga::crypto::before_huge_page({memory + first, kSize - first}) == 0);
  CHECK(cga::crypto::before_huge_page({memory + first + 1, kSize - first - 1}) == cga::crypto::kHugePage - 1);
  CHECK(cga::crypto::before_huge_page({memory + first + 1, 5}) == 5);
  CHECK(cga::crypto::before_huge_page({}) == 0);

  memory[first] = 7;
  memory[first + cga::crypto::kHugePage - 1] = 8;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, cga::crypto::kHugePage - 1, cga::crypto::kHugePage, kSize - first}) {
    cga::crypto::want_huge_pages({memory + first, size});
  }
  CHECK(memory[first] == 7);
  CHECK(memory[first + cga::crypto::kHugePage - 1] == 8);
  munmap(memory, kSize);
}
