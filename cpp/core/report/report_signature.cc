#include "core/report/report_signature.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/report/snp_report.h"

namespace cga {

namespace {

constexpr std::size_t kComponentSize = 72;  // R and S each, little-endian
constexpr std::size_t kScalarSize = 48;

struct SignatureDeleter {
  void operator()(ECDSA_SIG* signature) const noexcept { ECDSA_SIG_free(signature); }
};
struct ContextDeleter {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};

// DER, because EVP_PKEY_verify takes nothing else. At most 2 + 2 * (2 + 49) bytes.
std::vector<std::uint8_t> encode(Bytes r, Bytes s) {
  const std::unique_ptr<ECDSA_SIG, SignatureDeleter> signature(ECDSA_SIG_new());
  BIGNUM* r_number = BN_lebin2bn(r.data(), static_cast<int>(r.size()), nullptr);
  BIGNUM* s_number = BN_lebin2bn(s.data(), static_cast<int>(s.size()), nullptr);
  if (!signature || ECDSA_SIG_set0(signature.get(), r_number, s_number) != 1) {
    BN_free(r_number);
    BN_free(s_number);
    throw Error(ErrorKind::kInternal, "out of memory");
  }
  unsigned char* data = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &data);
  if (size < 0) throw Error(ErrorKind::kInternal, "a signature cannot be encoded");
  std::vector<std::uint8_t> der(data, data + size);
  OPENSSL_free(data);
  return der;
}

}  // namespace

ReportSignature verify_report_signature(Bytes report, const Certificate& signer) {
  if (report.size() != kSnpReportSize) throw Error(ErrorKind::kParse, "an SNP report is 1184 bytes long");
  if (signer.key_type() != KeyType::kEcP384) throw Error(ErrorKind::kCrypto, "the signer's key is not on P-384");
  const Bytes r = report.subspan(kSnpSignedSize, kComponentSize);
  const Bytes s = report.subspan(kSnpSignedSize + kComponentSize, kComponentSize);

  ReportSignature result;
  result.canonical = all_zero(r.subspan(kScalarSize)) && all_zero(s.subspan(kScalarSize));
  result.tail_zero = all_zero(report.subspan(kSnpSignedSize + 2 * kComponentSize));

  std::array<std::uint8_t, 48> digest{};
  const std::unique_ptr<EVP_PKEY_CTX, ContextDeleter> context(EVP_PKEY_CTX_new(signer.key(), nullptr));
  if (!context || EVP_Digest(report.data(), kSnpSignedSize, digest.data(), nullptr, EVP_sha384(), nullptr) != 1 ||
      EVP_PKEY_verify_init(context.get()) != 1) {
    throw Error(ErrorKind::kInternal, "a signature verification cannot be set up");
  }
  const std::vector<std::uint8_t> der = encode(r.first(kScalarSize), s.first(kScalarSize));
  result.valid = EVP_PKEY_verify(context.get(), der.data(), der.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return result;
}

}  // namespace cga
