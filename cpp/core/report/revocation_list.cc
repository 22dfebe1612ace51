#include "core/report/revocation_list.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string_view>

namespace cga {

namespace {

constexpr std::size_t kMaximumInput = 4 * 1024 * 1024;

std::vector<std::uint8_t> der_of(Bytes input) {
  if (input.empty()) throw Error(ErrorKind::kEmpty, "the revocation list is empty");
  if (input.size() > kMaximumInput) throw Error(ErrorKind::kParse, "a revocation list larger than 4 MiB");
  if (input[0] == 0x30) return {input.begin(), input.end()};
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(input.data(), static_cast<int>(input.size())),
                                                      BIO_free);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  const bool read = bio && PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1;
  ERR_clear_error();
  std::vector<std::uint8_t> der;
  if (read && std::string_view(name) == PEM_STRING_X509_CRL) der.assign(data, data + size);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  if (der.empty()) throw Error(ErrorKind::kParse, "malformed PEM revocation list");
  return der;
}

}  // namespace

RevocationList::RevocationList(Bytes input) {
  const std::vector<std::uint8_t> der = der_of(input);
  const unsigned char* at = der.data();
  list_.reset(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!list_ || at != der.data() + der.size()) throw Error(ErrorKind::kParse, "malformed revocation list");
}

std::string RevocationList::issuer_common_name() const {
  const X509_NAME* name = X509_CRL_get_issuer(list_.get());
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
          static_cast<std::size_t>(ASN1_STRING_length(value))};
}

std::int64_t RevocationList::this_update() const {
  return milliseconds_of(X509_CRL_get0_lastUpdate(list_.get()));
}

std::int64_t RevocationList::next_update() const {
  return milliseconds_of(X509_CRL_get0_nextUpdate(list_.get()));
}

std::size_t RevocationList::size() const noexcept {
  const auto* revoked = X509_CRL_get_REVOKED(list_.get());
  return revoked == nullptr ? 0 : static_cast<std::size_t>(sk_X509_REVOKED_num(revoked));
}

bool RevocationList::issued_by(const Certificate& issuer) const {
  if (X509_NAME_cmp(X509_CRL_get_issuer(list_.get()), X509_get_subject_name(issuer.x509())) != 0) return false;
  if ((X509_get_key_usage(issuer.x509()) & KU_CRL_SIGN) == 0) return false;
  const bool valid = X509_CRL_verify(list_.get(), issuer.key()) == 1;
  ERR_clear_error();
  return valid;
}

bool RevocationList::revokes(const Certificate& certificate) const {
  X509_REVOKED* entry = nullptr;
  // 1 means revoked; 2 means removeFromCRL, an entry that takes a revocation back.
  return X509_CRL_get0_by_cert(list_.get(), &entry, certificate.x509()) == 1;
}

}  // namespace cga
