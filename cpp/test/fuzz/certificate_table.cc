// Certificate table of the extended guest request.
#include "core/report/certificate_table.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  expect_typed([&] {
    const auto entries = cga::parse_certificate_table(input);
    require(entries.size() <= 64);
    for (const auto& entry : entries) require(entry.guid.size() == 36 && inside(entry.data, input));
  });
  return 0;
}
