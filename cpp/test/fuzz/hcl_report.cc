// HCL attestation report (NV index 0x01400001).
#include "core/report/hcl_report.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  expect_typed([&] {
    const cga::HclReport report = cga::parse_hcl_report(input);
    require(inside(report.hardware_report, input) && inside(report.variable_data, input));
    require(inside(report.padding, input) && inside(report.header_reserved, input));
    require(!report.report_data || inside(*report.report_data, report.hardware_report));
    require(!report.bound || report.report_data.has_value());
  });
  return 0;
}
