// Certificate revocation lists.
#include "core/report/revocation_list.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  expect_typed([&] {
    const cga::RevocationList list(Input(data, size));
    (void)list.issuer_common_name();
    (void)list.size();
    expect_typed([&] { (void)list.this_update(); });
    expect_typed([&] { (void)list.next_update(); });
  });
  return 0;
}
