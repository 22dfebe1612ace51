// TPMS_ATTEST: quotes and certifications.
#include "core/report/tpm_structures.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  expect_typed([&] {
    const cga::TpmsAttest attest = cga::parse_tpms_attest(input);
    require(inside(attest.qualified_signer, input) && inside(attest.extra_data, input));
    require(inside(attest.pcr_digest, input) && inside(attest.name, input) && inside(attest.qualified_name, input));
    for (const auto& selection : attest.pcr_selections) {
      for (std::size_t i = 1; i < selection.pcrs.size(); ++i) require(selection.pcrs[i - 1] < selection.pcrs[i]);
    }
  });
  return 0;
}
