// X.509 certificates of AMD's hierarchy, as far as verification needs to look into them.
#pragma once

#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/report/bytes.h"

namespace cga {

struct X509Deleter {
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
};
struct PkeyDeleter {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};

using Sha256Digest = std::array<std::uint8_t, 32>;

enum class KeyType : std::uint8_t { kOther, kRsa, kEcP384 };

class Certificate {
 public:
  /// Parses one DER certificate; zero padding after it is allowed (NV indices are padded). Throws kParse.
  explicit Certificate(Bytes der);

  [[nodiscard]] X509* x509() const noexcept { return x509_.get(); }
  [[nodiscard]] EVP_PKEY* key() const noexcept { return key_.get(); }

  [[nodiscard]] std::vector<std::uint8_t> der() const;
  [[nodiscard]] std::string subject_common_name() const;
  [[nodiscard]] std::string issuer_common_name() const;
  [[nodiscard]] std::string serial_hex() const;
  /// Milliseconds since 1970. Throws kParse when the certificate's time cannot be read.
  [[nodiscard]] std::int64_t not_before() const;
  [[nodiscard]] std::int64_t not_after() const;
  [[nodiscard]] KeyType key_type() const noexcept;
  [[nodiscard]] int key_bits() const noexcept;
  /// SHA-256 of the DER SubjectPublicKeyInfo: what roots are pinned by.
  [[nodiscard]] Sha256Digest public_key_digest() const;
  [[nodiscard]] Sha256Digest fingerprint() const;
  /// BasicConstraints CA:TRUE and, where KeyUsage exists, keyCertSign.
  [[nodiscard]] bool is_ca() const noexcept;
  /// RSASSA-PSS with SHA-384, the only signature AMD puts on certificates.
  [[nodiscard]] bool signed_with_pss_sha384() const noexcept;
  /// Issuer name equals the other's subject name and the other's key made the signature.
  [[nodiscard]] bool issued_by(const Certificate& issuer) const;
  [[nodiscard]] bool names_issuer(const Certificate& issuer) const noexcept;

 private:
  std::unique_ptr<X509, X509Deleter> x509_;
  std::unique_ptr<EVP_PKEY, PkeyDeleter> key_;
};

/// One DER certificate, or PEM text with 1 to 16 of them. Throws kEmpty or kParse.
[[nodiscard]] std::vector<Certificate> parse_certificates(Bytes input);

/// Milliseconds since 1970 of an ASN.1 time. Throws kParse.
[[nodiscard]] std::int64_t milliseconds_of(const ASN1_TIME* time);
[[nodiscard]] std::string hex_of(const ASN1_INTEGER* integer);

}  // namespace cga
