#include "core/crypto/session.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "core/error.h"

namespace {

using Bytes = std::vector<std::uint8_t>;
const Bytes kInputKey(32, 7);
const Bytes kInfo{'i', 'n', 'f', 'o'};

Bytes seal(cga::crypto::SessionSealer& sealer, std::size_t size,
           cga::crypto::MessageKind kind = cga::crypto::MessageKind::kMessage) {
  Bytes out(size + cga::crypto::kSessionOverhead);
  sealer.seal(kind, sealer.reserve(1), Bytes(size, 1), out.data());
  return out;
}

bool opens(cga::crypto::SessionOpener& opener, const Bytes& message) {
  Bytes out(message.size());
  return opener.open(message, out.data());
}

}  // namespace

TEST_CASE("nonces follow SP 800-38D section 8.2.1: a fixed field, then the message's number") {
  const cga::crypto::SessionKey key(kInputKey, kInfo);
  const auto first = key.nonce(cga::crypto::SessionKey::number(cga::crypto::MessageKind::kMessage, 0x010203040506));
  const auto last = key.nonce(cga::crypto::SessionKey::number(cga::crypto::MessageKind::kLast, 0x010203040506));
  CHECK(Bytes(first.begin() + 4, first.end()) == Bytes{0, 0, 1, 2, 3, 4, 5, 6});
  CHECK(Bytes(last.begin() + 4, last.end()) == Bytes{1, 0, 1, 2, 3, 4, 5, 6});
  CHECK(Bytes(first.begin(), first.begin() + 4) == Bytes(last.begin(), last.begin() + 4));
  const cga::crypto::SessionKey other(kInputKey, Bytes{'x'});
  CHECK_FALSE(cga::crypto::constant_time_equal(key.key(), other.key()));
}

TEST_CASE("numbers are given out once each, up to the limit") {
  cga::crypto::SessionSealer sealer(kInputKey, kInfo, 5);
  CHECK(sealer.reserve(2) == 0);
  CHECK(sealer.reserve(1) == 2);
  CHECK_THROWS_AS((void)sealer.reserve(3), cga::Error);
  CHECK(sealer.reserve(2) == 3);
  CHECK_THROWS_AS((void)sealer.reserve(1), cga::Error);
  CHECK(sealer.reserve(0) == 5);
  cga::crypto::SessionSealer unlimited(kInputKey, kInfo, ~std::uint64_t{0});
  CHECK(unlimited.reserve(cga::crypto::kSessionMaxMessages - 1) == 0);
  CHECK_THROWS_AS((void)unlimited.reserve(2), cga::Error);
  CHECK(unlimited.reserve(1) == cga::crypto::kSessionMaxMessages - 1);
  CHECK_THROWS_AS((void)unlimited.reserve(1), cga::Error);
}

TEST_CASE("numbers beyond the limit do not open") {
  cga::crypto::SessionSealer sealer(kInputKey, kInfo, 5);
  cga::crypto::SessionOpener opener(kInputKey, kInfo, false, 0);
  Bytes message(40);
  sealer.seal(cga::crypto::MessageKind::kMessage, cga::crypto::kSessionMaxMessages, Bytes(16), message.data());
  CHECK_FALSE(opens(opener, message));
  sealer.seal(cga::crypto::MessageKind::kMessage, cga::crypto::kSessionMaxMessages - 1, Bytes(16), message.data());
  CHECK(opens(opener, message));
  sealer.seal(cga::crypto::MessageKind::kLast, 3, Bytes(16), message.data());
  CHECK_FALSE(opens(opener, message));  // There is no last message without order.
}

TEST_CASE("the replay window over a long run, against a plain set") {
  cga::crypto::SessionSealer sealer(kInputKey, kInfo, 100000);
  cga::crypto::SessionOpener opener(kInputKey, kInfo, false, 100);
  std::vector<Bytes> messages;
  for (int i = 0; i < 3000; ++i) messages.push_back(seal(sealer, 1));
  std::vector<bool> accepted(3000);
  std::uint64_t state = 1;
  std::size_t highest = 0;
  for (int step = 0; step < 6000; ++step) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    const std::size_t centre = static_cast<std::size_t>(step) / 2;
    const std::size_t i = std::min<std::size_t>(2999, centre + (state >> 33) % 250 - (centre > 125 ? 125 : centre));
    const bool old = highest > i && highest - i > 100;
    CHECK(opens(opener, messages[i]) == (!accepted[i] && !old));
    if (!old) accepted[i] = true;
    highest = std::max(highest, i + 1);
  }
}

TEST_CASE("a late message in one call with a far one takes nobody's place in the replay window") {
  cga::crypto::SessionSealer sealer(kInputKey, kInfo, 1000);
  cga::crypto::SessionOpener opener(kInputKey, kInfo, false, 5);
  std::vector<Bytes> messages;
  for (int i = 0; i < 101; ++i) messages.push_back(seal(sealer, 1));
  const std::array<std::span<const std::uint8_t>, 2> batch{messages[100], messages[1]};
  CHECK(opener.accept(batch));
  CHECK_FALSE(opens(opener, messages[1]));
  CHECK_FALSE(opens(opener, messages[100]));
  for (const std::size_t within : {96U, 97U, 98U, 99U}) {
    CAPTURE(within);
    CHECK(opens(opener, messages[within]));
  }
}

TEST_CASE("an ordered session: the last message ends it, a wrong one ends it for good") {
  cga::crypto::SessionSealer sealer(kInputKey, kInfo, 100);
  const Bytes first = seal(sealer, 3);
  const Bytes second = seal(sealer, 0);
  const Bytes last = seal(sealer, 1, cga::crypto::MessageKind::kLast);
  cga::crypto::SessionOpener opener(kInputKey, kInfo, true, 0);
  CHECK(opens(opener, first));
  CHECK(opens(opener, second));
  CHECK_FALSE(opener.finished());
  CHECK(opens(opener, last));
  CHECK(opener.finished());
  CHECK_FALSE(opens(opener, last));
  cga::crypto::SessionOpener failing(kInputKey, kInfo, true, 0);
  CHECK_FALSE(opens(failing, second));
  CHECK_FALSE(opens(failing, first));
  sealer.end();
  CHECK_THROWS_AS((void)sealer.reserve(1), cga::Error);
}
