#include "core/crypto/registers.h"

#include <cstring>

namespace cga::crypto {

#if defined(__x86_64__)
namespace {

// The calling convention keeps no vector register over a call: all may be used up. The compiler is told of those that
// it uses itself; it makes nothing wider than SSE2 here.
#define CGA_USED_UP                                                                                                   \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15"

[[gnu::noinline]] void clear_sse() noexcept {
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
      "pxor %%xmm\\r, %%xmm\\r\n\t"
      ".endr" ::
          : CGA_USED_UP);
}

[[gnu::noinline]] void clear_avx() noexcept {
  asm volatile("vzeroall" ::: CGA_USED_UP);
}

/// The others, which glibc's memcpy prefers where there are any. A write of 128 bits zeroes the upper 384.
[[gnu::noinline]] void clear_avx512() noexcept {
  asm volatile(
      ".irp r,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
      "vpxorq %%xmm\\r, %%xmm\\r, %%xmm\\r\n\t"
      ".endr" ::
          :);
}

}  // namespace

void clear_vector_registers() noexcept {
  static const bool avx = __builtin_cpu_supports("avx") != 0;
  static const bool avx512 = __builtin_cpu_supports("avx512vl") != 0;
  if (avx) {
    clear_avx();
  } else {
    clear_sse();
  }
  if (avx512) clear_avx512();
}

#elif defined(__aarch64__)

void clear_vector_registers() noexcept {
  // Not 8 to 15, whose lower halves belong to the caller.
  asm volatile(
      ".irp r,0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
      "movi v\\r\\().16b, #0\n\t"
      ".endr" ::
          : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
            "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

#else
#error "which registers does memcpy use here?"
#endif

namespace {

/// Not OPENSSL_cleanse, which takes eight bytes at a time: that would take longer than encrypting a message of 1 KiB.
[[gnu::noinline]] void clear_stack() noexcept {
  alignas(64) unsigned char below[kStackCleared];
  std::memset(below, 0, sizeof below);
  asm volatile("" : : "r"(below) : "memory");
}

}  // namespace

void clear_traces() noexcept {
  clear_stack();
  clear_vector_registers();
}

}  // namespace cga::crypto
