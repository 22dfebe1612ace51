#include "core/report/endorsement_key.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using cga::Error;
using Der = std::vector<std::uint8_t>;

TEST_CASE("every patch level in DER, and nothing else") {
  for (int level = 0; level < 256; ++level) {
    const auto byte = static_cast<std::uint8_t>(level);
    const Der der = level < 0x80 ? Der{0x02, 1, byte} : Der{0x02, 2, 0, byte};
    CHECK(cga::decode_spl(der) == level);
  }
  for (const Der& der :
       {Der{}, Der{0x02}, Der{0x02, 0}, Der{0x02, 1}, Der{0x02, 1, 0x80}, Der{0x02, 2, 0, 0x7F}, Der{0x02, 2, 1, 0},
        Der{0x02, 3, 0, 0, 0x80}, Der{0x04, 1, 1}, Der{0x02, 1, 1, 0}, Der{0x02, 0x81, 1, 1}}) {
    CHECK_THROWS_AS((void)cga::decode_spl(der), Error);
  }
}

TEST_CASE("a HWID is told apart by its length, not by its first byte") {
  Der raw(64, 9);
  raw[0] = 0x04;
  raw[1] = 0x40;
  CHECK(cga::decode_hwid(raw) == raw);
  Der wrapped{0x04, 0x40};
  wrapped.insert(wrapped.end(), raw.begin(), raw.end());
  CHECK(cga::decode_hwid(wrapped) == raw);
  CHECK(cga::decode_hwid(Der(8, 4)) == Der(8, 4));
  wrapped[0] = 0x05;
  CHECK_THROWS_AS((void)cga::decode_hwid(wrapped), Error);
  for (std::size_t size = 0; size < 130; ++size) {
    if (size != 8 && size != 64) CHECK_THROWS_AS((void)cga::decode_hwid(Der(size, 4)), Error);
  }
}

TEST_CASE("texts are IA5String of printable characters") {
  CHECK(cga::read_ia5_string(Der{0x16, 5, 'G', 'e', 'n', 'o', 'a'}) == "Genoa");
  CHECK_FALSE(cga::read_ia5_string(Der{0x16, 6, 'G', 'e', 'n', 'o', 'a'}).has_value());
  CHECK_FALSE(cga::read_ia5_string(Der{0x0C, 5, 'G', 'e', 'n', 'o', 'a'}).has_value());
  CHECK_FALSE(cga::read_ia5_string(Der{0x16, 5, 'G', 'e', 'n', 'o', 0x1B}).has_value());
  CHECK_FALSE(cga::read_ia5_string(Der{0x16, 0}).has_value());
  CHECK_FALSE(cga::read_ia5_string(Der{}).has_value());
}
