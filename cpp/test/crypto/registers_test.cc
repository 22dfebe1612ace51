#include "core/crypto/registers.h"

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "core/crypto/gcm.h"
#include "core/openssl_owners.h"

namespace {

using cga::crypto::kStackCleared;

using Block = std::array<std::uint8_t, 16>;

constexpr Block kPattern{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
constexpr Block kZero{};

/// Sanitizers use the stack in their own ways, which are not those of what ships.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnStack = false;
#else
constexpr bool kOwnStack = true;
#endif
constexpr std::size_t kStackSize = 256 * 1024;
constexpr std::uint8_t kUntouched = 0x5A;

/// The stack of a thread that did some work, as the work left it.
struct UsedStack {
  std::vector<std::uint8_t> bytes;
  std::uintptr_t caller = 0;  ///< where the frames of the work begin

  /// Bytes from the lowest that changed up to the caller.
  [[nodiscard]] std::size_t depth() const {
    const auto lowest = std::find_if(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte != kUntouched; });
    return caller - reinterpret_cast<std::uintptr_t>(&*lowest);
  }
};

struct Work {
  UsedStack* stack;
  const std::function<void()>* work;
};

/// The frame of the work's caller is on the new stack.
[[gnu::noinline]] void* run(void* argument) {
  auto& [stack, work] = *static_cast<Work*>(argument);
  stack->caller = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  (*work)();
  return nullptr;
}

UsedStack stack_of(const std::function<void()>& work) {
  UsedStack used{std::vector<std::uint8_t>(kStackSize + 4096, kUntouched)};
  void* base = used.bytes.data();
  std::size_t space = used.bytes.size();
  REQUIRE(std::align(4096, kStackSize, base, space) != nullptr);
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstack(&attributes, base, kStackSize) == 0);
  pthread_t thread{};
  Work argument{&used, &work};
  REQUIRE(pthread_create(&thread, &attributes, run, &argument) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
  return used;
}

/// What libcrypto does with one message, without anything of ours.
void evp(EVP_CIPHER_CTX* context, int encrypt, std::size_t iv_size, std::size_t aad, std::vector<std::uint8_t>& data) {
  const std::array<std::uint8_t, 32> key{1};
  const std::array<std::uint8_t, 16> iv{2};
  std::array<std::uint8_t, 16> tag{};
  int written = 0;
  EVP_CipherInit_ex2(context, cga::crypto::aes_256_gcm(), nullptr, nullptr, encrypt, nullptr);
  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(iv_size), nullptr);
  EVP_CipherInit_ex2(context, nullptr, key.data(), iv.data(), encrypt, nullptr);
  EVP_CipherUpdate(context, nullptr, &written, data.data(), static_cast<int>(aad));
  EVP_CipherUpdate(context, data.data(), &written, data.data(), static_cast<int>(data.size()));
  if (encrypt == 0) EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, 16, tag.data());
  EVP_CipherFinal_ex(context, tag.data(), &written);
}

}  // namespace

TEST_CASE("AES-GCM uses no more of the stack than is cleared behind it" * doctest::skip(!kOwnStack)) {
  const cga::Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  std::vector<std::uint8_t> warm(4096);
  evp(context.get(), 1, 12, 16, warm);  // what is fetched and bound at the first call is no message
  std::size_t deepest = 0;
  for (const std::size_t size : {0, 16, 255, 257, 512, 1024, 16 * 1024, 1 << 20}) {
    for (const std::size_t aad : {0, 16, 240}) {
      std::vector<std::uint8_t> data(std::max<std::size_t>(size, 1024));
      data.resize(size);
      for (const std::size_t iv_size : {12, 16}) {
        for (const int encrypt : {0, 1}) {
          const UsedStack used = stack_of([&] { evp(context.get(), encrypt, iv_size, aad, data); });
          deepest = std::max(deepest, used.depth());
        }
      }
    }
  }
  CHECK(deepest > 256);
  // Those of the caller, from which it is cleared, are among them.
  CHECK(deepest <= kStackCleared);
}

TEST_CASE("behind a message the stack is zero as far as it is cleared" * doctest::skip(!kOwnStack)) {
  const std::vector<std::uint8_t> key(32, 1);
  cga::crypto::GcmSealer sealer(key);
  std::vector<std::uint8_t> data(4096, 3);
  std::array<std::uint8_t, 12> iv{};
  std::array<std::uint8_t, 16> tag{};
  const UsedStack used = stack_of([&] { sealer.seal(iv, {}, data, data.data(), tag); });
  const std::vector<std::uint8_t> zeros(kStackCleared);
  CHECK(std::search(used.bytes.begin(), used.bytes.end(), zeros.begin(), zeros.end()) != used.bytes.end());
}

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
