#include "test/signature/ecdsa.h"

#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>

#include <algorithm>
#include <array>

namespace cga::test {
namespace {

struct Facts {
  const char* name;
  int nid;
  std::size_t field;
};
constexpr std::array<Facts, 3> kFacts{
    {{"P-256", NID_X9_62_prime256v1, 32}, {"P-384", NID_secp384r1, 48}, {"P-521", NID_secp521r1, 66}}};

const Facts& facts(signature::Curve curve) {
  return kFacts[static_cast<std::size_t>(curve)];
}

}  // namespace

Group::Group(signature::Curve curve)
    : name_(facts(curve).name),
      field_(facts(curve).field),
      group_(EC_GROUP_new_by_curve_name(facts(curve).nid)),
      context_(BN_CTX_new()) {
  REQUIRE(group_);
  REQUIRE(context_);
}

Number Group::random() const {
  Number result(BN_new());
  do {
    REQUIRE(BN_rand_range(result.get(), n()) == 1);
  } while (BN_is_zero(result.get()));
  return result;
}

Number Group::add(const BIGNUM* a, const BIGNUM* b) const {
  Number result(BN_new());
  REQUIRE(BN_mod_add(result.get(), a, b, n(), context_.get()) == 1);
  return result;
}

Number Group::times(const BIGNUM* a, const BIGNUM* b) const {
  Number result(BN_new());
  REQUIRE(BN_mod_mul(result.get(), a, b, n(), context_.get()) == 1);
  return result;
}

Number Group::over(const BIGNUM* a, const BIGNUM* b) const {
  const Number inverse(BN_mod_inverse(nullptr, b, n(), context_.get()));
  REQUIRE(inverse);
  return times(a, inverse.get());
}

Number Group::minus(const BIGNUM* a) const {
  Number result(BN_new());
  REQUIRE(BN_mod_sub(result.get(), n(), a, n(), context_.get()) == 1);
  return result;
}

Point Group::product(const BIGNUM* g, const EC_POINT* point, const BIGNUM* q) const {
  Point result(EC_POINT_new(group_.get()));
  REQUIRE(EC_POINT_mul(group_.get(), result.get(), g, point, q, context_.get()) == 1);
  return result;
}

bool Group::is_infinity(const EC_POINT* point) const {
  return EC_POINT_is_at_infinity(group_.get(), point) == 1;
}

Number Group::x(const EC_POINT* point) const {
  Number result(BN_new());
  REQUIRE(EC_POINT_get_affine_coordinates(group_.get(), point, result.get(), nullptr, context_.get()) == 1);
  return result;
}

Number Group::r(const EC_POINT* point) const {
  Number result = x(point);
  REQUIRE(BN_nnmod(result.get(), result.get(), n(), context_.get()) == 1);
  return result;
}

Point Group::with_x(const BIGNUM* x) const {
  Point result(EC_POINT_new(group_.get()));
  if (EC_POINT_set_compressed_coordinates(group_.get(), result.get(), x, 0, context_.get()) == 1) return result;
  ERR_clear_error();
  return nullptr;
}

Bytes Group::encoded(const EC_POINT* point) const {
  Bytes result(1 + 2 * field_);
  REQUIRE(EC_POINT_point2oct(group_.get(), point, POINT_CONVERSION_UNCOMPRESSED, result.data(), result.size(),
                             context_.get()) == result.size());
  return result;
}

Bytes Group::bytes(const BIGNUM* number) const {
  Bytes result(field_);
  REQUIRE(BN_bn2binpad(number, result.data(), static_cast<int>(field_)) == static_cast<int>(field_));
  return result;
}

Number Group::e(ByteView digest) const {
  const auto bits = static_cast<std::size_t>(BN_num_bits(n()));
  const ByteView leftmost = digest.first(std::min(digest.size(), (bits + 7) / 8));
  Number result = number(leftmost);
  if (8 * leftmost.size() > bits) REQUIRE(BN_rshift(result.get(), result.get(), 8 - static_cast<int>(bits % 8)) == 1);
  REQUIRE(BN_nnmod(result.get(), result.get(), n(), context_.get()) == 1);
  return result;
}

RawSignature Group::sign(const BIGNUM* d, ByteView digest) const {
  const Number k = random();
  const Number r = this->r(product(k.get()).get());
  const Number s = over(add(e(digest).get(), times(r.get(), d).get()).get(), k.get());
  return signature(r.get(), s.get());
}

bool Group::evp_verifies(ByteView point, ByteView digest, const RawSignature& signature) const {
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  REQUIRE(OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, name_, 0) == 1);
  REQUIRE(OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) == 1);
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  REQUIRE(EVP_PKEY_fromdata_init(maker.get()) == 1);
  REQUIRE(EVP_PKEY_fromdata(maker.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1);
  const Owned<EVP_PKEY> key(made);

  ECDSA_SIG* const pair = ECDSA_SIG_new();
  REQUIRE(ECDSA_SIG_set0(pair, number(signature.r).release(), number(signature.s).release()) == 1);
  std::array<std::uint8_t, 160> der{};
  auto* end = der.data();
  const int size = i2d_ECDSA_SIG(pair, &end);
  ECDSA_SIG_free(pair);
  REQUIRE(size > 0);

  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key.get(), nullptr));
  REQUIRE(EVP_PKEY_verify_init(context.get()) == 1);
  const bool valid =
      EVP_PKEY_verify(context.get(), der.data(), static_cast<std::size_t>(size), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return valid;
}

Number number(unsigned long value) {
  Number result(BN_new());
  REQUIRE(BN_set_word(result.get(), value) == 1);
  return result;
}

Number number(ByteView bytes) {
  Number result(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  REQUIRE(result);
  return result;
}

}  // namespace cga::test
