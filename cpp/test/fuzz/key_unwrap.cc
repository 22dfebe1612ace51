// What a vault hands out as a wrapped key: it unwraps, or is refused as one thing.
#include "core/crypto/key_unwrap.h"

#include "test/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cga::fuzz::expect_typed([&] {
    if (size < 32) return;
    const auto key = cga::crypto::SecretBytes::copy_of({data, 32});
    const auto plain = cga::crypto::unwrap_with_padding(key, {data + 32, size - 32});
    cga::fuzz::require(plain.size() > 0 && plain.size() <= size - 32 - 8);
  });
  return 0;
}
