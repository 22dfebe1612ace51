#include "core/report/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <string_view>

namespace cga {

namespace {

constexpr std::size_t kMaximumInput = 256 * 1024;
constexpr std::size_t kMaximumCertificates = 16;

std::string common_name(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (index < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index));
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size < 0) return {};
  std::string result(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return result;
}

// PEM_read_bio only decodes: unlike PEM_read_bio_X509 it never asks for a pass phrase on the terminal.
std::vector<Certificate> parse_pem(Bytes text) {
  std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  if (!bio) throw Error(ErrorKind::kInternal, "out of memory");
  std::vector<Certificate> certificates;
  for (;;) {
    char* name = nullptr;
    char* header = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) break;
    const std::unique_ptr<char, void (*)(char*)> owned_name(name, [](char* p) { OPENSSL_free(p); });
    const std::unique_ptr<char, void (*)(char*)> owned_header(header, [](char* p) { OPENSSL_free(p); });
    const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owned_data(data, [](auto* p) { OPENSSL_free(p); });
    if (std::string_view(name) != PEM_STRING_X509) throw Error(ErrorKind::kParse, "PEM text holds no certificate");
    if (certificates.size() == kMaximumCertificates) throw Error(ErrorKind::kParse, "more than 16 certificates");
    certificates.emplace_back(Bytes(data, static_cast<std::size_t>(size)));
  }
  const bool end_of_text = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (certificates.empty() || !end_of_text) throw Error(ErrorKind::kParse, "malformed PEM certificate");
  return certificates;
}

}  // namespace

std::int64_t milliseconds_of(const ASN1_TIME* time) {
  std::tm fields{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) {
    ERR_clear_error();
    throw Error(ErrorKind::kParse, "malformed time in a certificate");
  }
  return static_cast<std::int64_t>(timegm(&fields)) * 1000;
}

std::string hex_of(const ASN1_INTEGER* integer) {
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> number(ASN1_INTEGER_to_BN(integer, nullptr), BN_free);
  if (!number) throw Error(ErrorKind::kParse, "malformed serial number");
  const std::unique_ptr<char, void (*)(char*)> text(BN_bn2hex(number.get()), [](char* p) { OPENSSL_free(p); });
  return text.get();
}

Certificate::Certificate(Bytes der) {
  const unsigned char* at = der.data();
  x509_.reset(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (x509_) key_.reset(X509_get_pubkey(x509_.get()));
  ERR_clear_error();
  if (!x509_ || !all_zero(der.subspan(static_cast<std::size_t>(at - der.data())))) {
    throw Error(ErrorKind::kParse, "malformed certificate");
  }
  if (!key_) throw Error(ErrorKind::kParse, "the certificate's public key cannot be read");
}

std::vector<std::uint8_t> Certificate::der() const {
  unsigned char* data = nullptr;
  const int size = i2d_X509(x509_.get(), &data);
  if (size < 0) throw Error(ErrorKind::kInternal, "a certificate cannot be encoded");
  std::vector<std::uint8_t> result(data, data + size);
  OPENSSL_free(data);
  return result;
}

std::string Certificate::subject_common_name() const {
  return common_name(X509_get_subject_name(x509_.get()));
}
std::string Certificate::issuer_common_name() const {
  return common_name(X509_get_issuer_name(x509_.get()));
}
std::string Certificate::serial_hex() const {
  return hex_of(X509_get0_serialNumber(x509_.get()));
}
std::int64_t Certificate::not_before() const {
  return milliseconds_of(X509_get0_notBefore(x509_.get()));
}
std::int64_t Certificate::not_after() const {
  return milliseconds_of(X509_get0_notAfter(x509_.get()));
}

KeyType Certificate::key_type() const noexcept {
  if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA) return KeyType::kRsa;
  if (EVP_PKEY_get_base_id(key_.get()) != EVP_PKEY_EC) return KeyType::kOther;
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key_.get(), group.data(), group.size(), &size) != 1) {
    ERR_clear_error();
    return KeyType::kOther;
  }
  return std::string_view(group.data()) == SN_secp384r1 ? KeyType::kEcP384 : KeyType::kOther;
}

int Certificate::key_bits() const noexcept {
  return EVP_PKEY_get_bits(key_.get());
}

Sha256Digest Certificate::public_key_digest() const {
  unsigned char* data = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509_.get()), &data);
  if (size < 0) throw Error(ErrorKind::kInternal, "a public key cannot be encoded");
  Sha256Digest digest{};
  const int done = EVP_Digest(data, static_cast<std::size_t>(size), digest.data(), nullptr, EVP_sha256(), nullptr);
  OPENSSL_free(data);
  if (done != 1) throw Error(ErrorKind::kInternal, "hashing failed");
  return digest;
}

Sha256Digest Certificate::fingerprint() const {
  Sha256Digest digest{};
  if (X509_digest(x509_.get(), EVP_sha256(), digest.data(), nullptr) != 1) {
    throw Error(ErrorKind::kInternal, "hashing failed");
  }
  return digest;
}

bool Certificate::is_ca() const noexcept {
  // 1: CA:TRUE in BasicConstraints, and KeyUsage, where present, allows keyCertSign. Self-signed v1 roots give 3.
  return X509_check_ca(x509_.get()) == 1;
}

bool Certificate::signed_with_pss_sha384() const noexcept {
  int digest = NID_undef;
  int key = NID_undef;
  const bool known = X509_get_signature_info(x509_.get(), &digest, &key, nullptr, nullptr) == 1;
  ERR_clear_error();
  return known && digest == NID_sha384 && key == NID_rsassaPss;
}

bool Certificate::names_issuer(const Certificate& issuer) const noexcept {
  return X509_NAME_cmp(X509_get_issuer_name(x509_.get()), X509_get_subject_name(issuer.x509_.get())) == 0;
}

bool Certificate::issued_by(const Certificate& issuer) const {
  if (!names_issuer(issuer)) return false;
  const bool valid = X509_verify(x509_.get(), issuer.key_.get()) == 1;
  ERR_clear_error();
  return valid;
}

std::vector<Certificate> parse_certificates(Bytes input) {
  if (input.empty() || all_zero(input)) throw Error(ErrorKind::kEmpty, "the certificate is empty");
  if (input.size() > kMaximumInput) throw Error(ErrorKind::kParse, "certificates larger than 256 KiB");
  if (input[0] != 0x30) return parse_pem(input);
  std::vector<Certificate> certificates;
  certificates.emplace_back(input);
  return certificates;
}

}  // namespace cga
