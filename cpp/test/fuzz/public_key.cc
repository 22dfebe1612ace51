// Keys and signatures of untrusted structures: nothing but a verdict or a typed error comes out.
#include "core/signature/public_key.h"

#include <cstdlib>

#include "test/fuzz/fuzz.h"

using cga::signature::Algorithm;
using cga::signature::Curve;
using cga::signature::Hash;
using cga::signature::PublicKey;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cga::fuzz::expect_typed([&] {
    if (size < 3) return;
    const cga::fuzz::Input input(data + 3, size - 3);
    const auto hash = static_cast<Hash>(1 + data[1] % 3);
    const std::uint32_t salt = data[2];
    const auto cut = [&](std::size_t from, std::size_t length) {
      const std::size_t begin = std::min(from, input.size());
      return input.subspan(begin, std::min(length, input.size() - begin));
    };
    if (data[0] % 4 == 3) {
      const PublicKey key = PublicKey::rsa(cut(0, 256), cut(256, 3));
      (void)key.verify({Algorithm::kRsaPkcs1, hash}, cut(515, 100), cut(259, 256));
      (void)key.verify({Algorithm::kRsaPss, hash, salt}, cut(515, 100), cut(259, 256));
      return;
    }
    constexpr std::size_t kFields[] = {32, 48, 66};
    const std::size_t field = kFields[data[0] % 4];
    const PublicKey key = PublicKey::ec(static_cast<Curve>(data[0] % 4), cut(0, field), cut(field, field));
    const auto verify = [&] {
      return key.verify({Algorithm::kEcdsa, hash}, cut(4 * field, 100), cut(2 * field, 2 * field));
    };
    const bool verdict = verify();
    // From the third time on by the key's table, where the curve has them at once.
    for (int again = 0; again < 3; ++again) {
      if (verify() != verdict) std::abort();
    }
  });
  return 0;
}
