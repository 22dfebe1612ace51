// SEV-SNP attestation report, every version and TCB layout.
#include "core/report/snp_report.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  for (const auto layout : {cga::TcbLayout::kMilan, cga::TcbLayout::kTurin}) {
    expect_typed([&] {
      const cga::SnpReport report = cga::parse_snp_report(input, layout);
      require(size == cga::kSnpReportSize && report.tcb_layout == layout);
      for (const auto& unknown : report.unknown) require(unknown.offset + unknown.size <= cga::kSnpSignedSize);
    });
  }
  expect_typed([&] { (void)cga::parse_snp_report(input); });
  return 0;
}
