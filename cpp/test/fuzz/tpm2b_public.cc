// TPM2B_PUBLIC, and a signature check with whatever key it holds.
#include <array>

#include "core/report/tpm_structures.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  expect_typed([&] {
    const cga::TpmPublic key = cga::parse_tpm2b_public(input);
    require(inside(key.modulus, input) && inside(key.auth_policy, input));
    require(key.modulus.size() == key.key_bits / 8U);
    const std::array<std::uint8_t, 256> signature{};
    require(!cga::verify_rsassa_sha256(key.modulus, key.exponent, input, signature));
  });
  return 0;
}
