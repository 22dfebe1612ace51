// Session messages: any bytes, and a genuine message with one changed byte.
#include <algorithm>
#include <array>
#include <vector>

#include "core/crypto/session.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  const std::array<std::uint8_t, 32> input_key{4, 5, 6};
  expect_typed([&] {
    cga::crypto::SessionOpener opener(input_key, {}, false, 16);
    std::vector<std::uint8_t> out(size);
    require(!opener.open(input, out.data()));

    cga::crypto::SessionSealer sealer(input_key, {}, 8);
    std::vector<std::uint8_t> message(size + cga::crypto::kSessionOverhead);
    sealer.seal(cga::crypto::MessageKind::kMessage, sealer.reserve(1), input, message.data());
    std::vector<std::uint8_t> changed = message;
    changed[(size > 0 ? data[0] * 257U + data[size - 1] : 0) % changed.size()] ^= 0x80;
    require(!opener.open(changed, out.data()));
    require(opener.open(message, out.data()) && std::equal(input.begin(), input.end(), out.begin()));
    require(!opener.open(message, out.data()));  // a replay
  });
  return 0;
}
