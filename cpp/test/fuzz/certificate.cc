// X.509 certificates, PEM bundles, and the VCEK's extensions in all their encodings.
#include "core/report/certificate.h"

#include "core/report/endorsement_key.h"
#include "core/report/report_signature.h"
#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  const Input input(data, size);
  expect_typed([&] { (void)cga::decode_spl(input); });
  expect_typed([&] {
    const std::size_t bytes = cga::decode_hwid(input).size();
    require(bytes == 64 || bytes == 8);
  });
  (void)cga::read_ia5_string(input);
  expect_typed([&] {
    for (const cga::Certificate& certificate : cga::parse_certificates(input)) {
      (void)certificate.subject_common_name();
      (void)certificate.issuer_common_name();
      (void)certificate.serial_hex();
      (void)certificate.fingerprint();
      (void)certificate.public_key_digest();
      (void)certificate.is_ca();
      (void)certificate.signed_with_pss_sha384();
      (void)certificate.key_type();
      (void)certificate.issued_by(certificate);
      expect_typed([&] { (void)certificate.not_before(); });
      expect_typed([&] { (void)certificate.not_after(); });
      expect_typed([&] { (void)cga::endorsement_extensions(certificate); });
    }
  });
  return 0;
}
