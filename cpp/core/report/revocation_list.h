// Certificate revocation lists as AMD's KDS publishes them: signed by the ARK, listing ASK serial numbers.
#pragma once

#include <string>
#include <vector>

#include "core/report/certificate.h"

namespace cga {

struct CrlDeleter {
  void operator()(X509_CRL* list) const noexcept { X509_CRL_free(list); }
};

class RevocationList {
 public:
  /// DER or PEM. Throws kEmpty or kParse.
  explicit RevocationList(Bytes input);

  [[nodiscard]] std::string issuer_common_name() const;
  [[nodiscard]] std::int64_t this_update() const;
  /// Throws kParse when the list has none: a list that never ends would hide every later revocation.
  [[nodiscard]] std::int64_t next_update() const;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Whether `issuer` is named as issuer, may sign lists and made the signature.
  [[nodiscard]] bool issued_by(const Certificate& issuer) const;
  [[nodiscard]] bool revokes(const Certificate& certificate) const;

 private:
  std::unique_ptr<X509_CRL, CrlDeleter> list_;
};

}  // namespace cga
