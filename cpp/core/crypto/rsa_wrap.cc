#include "core/crypto/rsa_wrap.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "core/error.h"

namespace cga::crypto {
namespace {

Owned<BIGNUM> to_bignum(ByteView bytes) {
  Owned<BIGNUM> number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  if (number == nullptr) throw std::bad_alloc();
  return number;
}

void require(bool ok, const char* what) {
  if (!ok) throw Error(ErrorKind::kCrypto, what);
}

}  // namespace

OaepPublicKey::OaepPublicKey(ByteView modulus, ByteView exponent) {
  if (modulus.size() > 2049 || exponent.empty() || exponent.size() > 8) {
    throw Error(ErrorKind::kInvalidArgument, "the RSA key's modulus or exponent has a length that no RSA key has");
  }
  const Owned<BIGNUM> n = to_bignum(modulus);
  const Owned<BIGNUM> e = to_bignum(exponent);
  const int bits = BN_num_bits(n.get());
  // An even or a small exponent would give the content key away: e = 1 encrypts nothing.
  if (bits < 2048 || bits > 16384 || !BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_num_bits(e.get()) < 2) {
    throw Error(ErrorKind::kInvalidArgument, "the RSA key must have 2048 to 16384 bits and an odd exponent above 1");
  }
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  require(builder != nullptr && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
              OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1,
          "the RSA key could not be set up");
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  require(params != nullptr && maker != nullptr && EVP_PKEY_fromdata_init(maker.get()) == 1 &&
              EVP_PKEY_fromdata(maker.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) == 1,
          "the RSA key could not be set up");
  key_.reset(key);
  size_ = static_cast<std::size_t>(EVP_PKEY_get_size(key));

  context_.reset(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  require(context_ != nullptr && EVP_PKEY_encrypt_init(context_.get()) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(context_.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
              EVP_PKEY_CTX_set_rsa_oaep_md_name(context_.get(), "SHA256", nullptr) == 1 &&
              EVP_PKEY_CTX_set_rsa_mgf1_md_name(context_.get(), "SHA256", nullptr) == 1,
          "RSA-OAEP could not be set up");
}

std::vector<std::uint8_t> OaepPublicKey::wrap(ByteView secret) {
  std::vector<std::uint8_t> block(size_);
  std::size_t size = block.size();
  require(EVP_PKEY_encrypt(context_.get(), block.data(), &size, secret.data(), secret.size()) == 1 && size == size_,
          "RSA-OAEP encryption failed");
  return block;
}

}  // namespace cga::crypto
