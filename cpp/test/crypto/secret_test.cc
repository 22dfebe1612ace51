#include "core/crypto/secret.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace {

/// The "VmFlags" line of the mapping that holds an address.
std::string vm_flags(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(maps, line)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto at = reinterpret_cast<unsigned long>(address);
      inside = begin <= at && at < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line + " ";
    }
  }
  return {};
}

}  // namespace

TEST_CASE("secret memory is left out of core dumps and of forks, and locked where the limit allows it") {
  for (const std::size_t size : {std::size_t{32}, std::size_t{64}, std::size_t{65}, std::size_t{16 * 1024}}) {
    const auto secret = cga::crypto::SecretBytes::random(size);
    const std::string flags = vm_flags(secret.bytes().data());
    CAPTURE(flags);
    CHECK(flags.find(" dd ") != std::string::npos);
    CHECK(flags.find(" wf ") != std::string::npos);
#if !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)  // They take mlock() for a mistake and leave it out.
    CHECK((flags.find(" lo ") != std::string::npos) == secret.locked());
#endif
  }
}

TEST_CASE("secret memory is zeroed when it is given back") {
  auto secret = cga::crypto::SecretBytes::random(32);
  const std::uint8_t* const memory = secret.bytes().data();
  CHECK(std::any_of(memory, memory + 32, [](std::uint8_t byte) { return byte != 0; }));
  secret.clear();
  secret.clear();
  // The slot belongs to the arena, so that reading it is defined.
  CHECK(std::all_of(memory, memory + 32, [](std::uint8_t byte) { return byte == 0; }));
  CHECK(secret.size() == 0);
}

TEST_CASE("secrets move, and many of them live at once") {
  const std::vector<std::uint8_t> bytes(32, 5);
  auto first = cga::crypto::SecretBytes::copy_of(bytes);
  cga::crypto::SecretBytes second = std::move(first);
  CHECK(first.size() == 0);
  CHECK(cga::crypto::constant_time_equal(second.bytes(), bytes));
  std::vector<cga::crypto::SecretBytes> many;
  for (int i = 0; i < 3000; ++i) many.push_back(cga::crypto::SecretBytes::copy_of(bytes));
  CHECK(std::all_of(many.begin(), many.end(),
                    [&](const auto& secret) { return cga::crypto::constant_time_equal(secret.bytes(), bytes); }));
}

TEST_CASE("comparison") {
  const std::vector<std::uint8_t> a{1, 2, 3};
  CHECK(cga::crypto::constant_time_equal(a, a));
  CHECK_FALSE(cga::crypto::constant_time_equal(a, std::vector<std::uint8_t>{1, 2, 4}));
  CHECK_FALSE(cga::crypto::constant_time_equal(a, std::vector<std::uint8_t>{1, 2}));
  CHECK(cga::crypto::constant_time_equal({}, {}));
}
