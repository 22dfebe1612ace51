// Certificate revocation lists, and what they say of a certificate: two bytes with the certificate's length,
// big-endian, the certificate (none when the length is 0), the list.
#include "core/report/revocation_list.h"

#include <algorithm>

#include "core/report/certificate.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  if (size < 2) return 0;
  const Input input(data + 2, size - 2);
  const std::size_t length = std::min<std::size_t>(static_cast<std::size_t>(data[0]) << 8 | data[1], input.size());
  expect_typed([&] {
    const cga::RevocationList list(input.subspan(length));
    (void)list.issuer_common_name();
    (void)list.size();
    expect_typed([&] { (void)list.this_update(); });
    expect_typed([&] { (void)list.next_update(); });
    if (length == 0) return;
    const cga::Certificate certificate(input.first(length));
    (void)list.issued_by(certificate);
    require(!list.revokes(certificate) || list.size() > 0);
  });
  return 0;
}
