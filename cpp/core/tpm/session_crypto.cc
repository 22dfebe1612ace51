#include "core/tpm/session_crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>

#include "core/openssl_owners.h"

namespace cga::tpm {
namespace {

constexpr std::array<char, 7> kSaltLabel = {'S', 'E', 'C', 'R', 'E', 'T', '\0'};
constexpr unsigned long kDefaultExponent = 65537;
constexpr std::size_t kAesBytes = 16;

void require(bool condition) {
  if (!condition) throw Error(ErrorKind::kCrypto, "OpenSSL failed in the protection of a TPM session");
}

Bytes concatenate(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (const ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::array<std::uint8_t, 4> big_endian(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Owned<EVP_PKEY> rsa_key(const TPMT_PUBLIC& area) {
  const TPM2B_PUBLIC_KEY_RSA& modulus = area.unique.rsa;
  const UINT32 exponent = area.parameters.rsaDetail.exponent;
  const Owned<BIGNUM> n(BN_bin2bn(modulus.buffer, modulus.size, nullptr));
  const Owned<BIGNUM> e(BN_new());
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  require(n && e && builder && BN_set_word(e.get(), exponent == 0 ? kDefaultExponent : exponent) == 1 &&
          OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
          OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  require(parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
          EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1);
  return Owned<EVP_PKEY>(key);
}

}  // namespace

Sha256Digest sha256(std::initializer_list<ByteView> parts) {
  const Bytes all = concatenate(parts);
  Sha256Digest digest;
  require(EVP_Digest(all.data(), all.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

Bytes hmac_sha256(ByteView key, std::initializer_list<ByteView> parts) {
  const Bytes all = concatenate(parts);
  Bytes code(sizeof(Sha256Digest));
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), all.data(), all.size(), code.data(), nullptr) !=
          nullptr);
  return code;
}

Bytes kdfa(ByteView key, std::string_view label, ByteView context_u, ByteView context_v, std::size_t size) {
  const ByteView name(reinterpret_cast<const std::uint8_t*>(label.data()), label.size());
  const std::array<std::uint8_t, 1> terminator{};
  const auto bits = big_endian(static_cast<std::uint32_t>(size * 8));
  Bytes derived;
  for (std::uint32_t counter = 1; derived.size() < size; ++counter) {
    const Bytes block = hmac_sha256(key, {big_endian(counter), name, terminator, context_u, context_v, bits});
    derived.insert(derived.end(), block.begin(), block.end());
  }
  derived.resize(size);
  return derived;
}

Bytes encrypt_salt(const TPMT_PUBLIC& key, ByteView salt) {
  const Owned<EVP_PKEY> rsa = rsa_key(key);
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(rsa.get(), nullptr));
  require(context && EVP_PKEY_encrypt_init(context.get()) == 1 &&
          EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), EVP_sha256()) == 1 &&
          EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), EVP_sha256()) == 1);
  void* label = OPENSSL_memdup(kSaltLabel.data(), kSaltLabel.size());  // the context takes it over
  require(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), label, static_cast<int>(kSaltLabel.size())) == 1);
  std::size_t size = 0;
  require(EVP_PKEY_encrypt(context.get(), nullptr, &size, salt.data(), salt.size()) == 1);
  Bytes encrypted(size);
  require(EVP_PKEY_encrypt(context.get(), encrypted.data(), &size, salt.data(), salt.size()) == 1);
  encrypted.resize(size);
  return encrypted;
}

void decrypt_parameter(ByteView session_key, ByteView nonce_newer, ByteView nonce_older, Bytes& parameter) {
  const Bytes material = kdfa(session_key, "CFB", nonce_newer, nonce_older, 2 * kAesBytes);
  const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  require(context &&
          EVP_DecryptInit_ex(context.get(), EVP_aes_128_cfb128(), nullptr, material.data(),
                             material.data() + kAesBytes) == 1 &&
          EVP_DecryptUpdate(context.get(), parameter.data(), &size, parameter.data(),
                            static_cast<int>(parameter.size())) == 1);
}

}  // namespace cga::tpm
