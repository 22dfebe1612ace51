#include "core/crypto/registers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace {

using Block = std::array<std::uint8_t, 16>;

constexpr Block kPattern{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr Block kZero{};

}  // namespace

#if defined(__x86_64__)

TEST_CASE("what was in the vector registers is zero") {
  Block low{};
  Block high{};
  // One piece of assembly, so that nobody else uses them in between. The stack is aligned for the call by hand.
  asm volatile(
      "movdqu %2, %%xmm3\n\t"
      "movdqu %2, %%xmm15\n\t"
      "movq %%rsp, %%rbx\n\t"
      "subq $128, %%rsp\n\t"
      "andq $-16, %%rsp\n\t"
      "call *%3\n\t"
      "movq %%rbx, %%rsp\n\t"
      "movdqu %%xmm3, %0\n\t"
      "movdqu %%xmm15, %1\n\t"
      : "=m"(low), "=m"(high)
      : "m"(kPattern), "r"(&cga::crypto::clear_vector_registers)
      : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc", "memory");
  CHECK(low == kZero);
  CHECK(high == kZero);
}

TEST_CASE("what was in the registers of AVX-512 is zero" * doctest::skip(__builtin_cpu_supports("avx512vl") == 0)) {
  Block first{};
  Block last{};
  std::array<std::uint8_t, 64> wide;
  wide.fill(0xA5);
  std::array<std::uint8_t, 64> after{};
  asm volatile("vmovdqu8 %0, %%zmm24" : : "m"(wide));
  asm volatile("vmovdqu64 %0, %%xmm16\n\tvmovdqu64 %0, %%xmm31" : : "m"(kPattern));
  cga::crypto::clear_vector_registers();
  asm volatile("vmovdqu64 %%xmm16, %0\n\tvmovdqu64 %%xmm31, %1" : "=m"(first), "=m"(last));
  asm volatile("vmovdqu8 %%zmm24, %0" : "=m"(after));
  CHECK(first == kZero);
  CHECK(last == kZero);
  CHECK(std::all_of(after.begin(), after.end(), [](std::uint8_t byte) { return byte == 0; }));
}

#endif
