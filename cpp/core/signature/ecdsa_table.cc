#include "core/signature/ecdsa_table.h"

#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <algorithm>

namespace cga::signature {
namespace {

// What OpenSSL 3.0 deprecated without anything in its place is used in these three functions alone. Without it
// no table is useful, and every verification is EVP's.
#ifdef OPENSSL_NO_DEPRECATED_3_0

bool has_own_implementation(const EC_GROUP* /*group*/) noexcept {
  return false;
}
bool tabulate(EC_GROUP* /*group*/, BN_CTX* /*context*/) noexcept {
  return false;
}
bool jacobian_x_z(const EC_GROUP* /*group*/, const EC_POINT* /*point*/, BIGNUM* /*x*/, BIGNUM* /*z*/,
                  BN_CTX* /*context*/) noexcept {
  return false;
}

#else
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// The three methods here are those for any prime curve.
bool has_own_implementation(const EC_GROUP* group) noexcept {
  const EC_METHOD* const method = EC_GROUP_method_of(group);
  return method != EC_GFp_simple_method() && method != EC_GFp_mont_method() && method != EC_GFp_nist_method();
}

/// An implementation without tables makes none and says that all went well: so that is asked, too.
bool tabulate(EC_GROUP* group, BN_CTX* context) noexcept {
  return EC_GROUP_precompute_mult(group, context) == 1 && EC_GROUP_have_precompute_mult(group) == 1;
}

bool jacobian_x_z(const EC_GROUP* group, const EC_POINT* point, BIGNUM* x, BIGNUM* z, BN_CTX* context) noexcept {
  return EC_POINT_get_Jprojective_coordinates_GFp(group, point, x, nullptr, z, context) == 1;
}

#pragma GCC diagnostic pop
#endif

/// Null for P-521, which is left to EVP. Never freed: helper threads may still use it when the process ends.
const EC_GROUP* group_of(Curve curve) noexcept {
  static const EC_GROUP* const p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
  static const EC_GROUP* const p384 = EC_GROUP_new_by_curve_name(NID_secp384r1);
  switch (curve) {
    case Curve::kP256:
      return p256;
    case Curve::kP384:
      return p384;
    case Curve::kP521:
      break;
  }
  return nullptr;
}

Owned<BIGNUM> number(ByteView bytes) noexcept {
  return Owned<BIGNUM>(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

/// Whether the point's affine x is r modulo n, without the inversion modulo p that the affine x takes: X = x * Z^2, and
/// x is r, or r + n where that is below p, because p < 2n.
std::optional<bool> has_x(const EC_GROUP* group, const EC_POINT* point, const BIGNUM* r, BN_CTX* context) noexcept {
  const BIGNUM* const p = EC_GROUP_get0_field(group);
  const Owned<BIGNUM> x(BN_new());
  const Owned<BIGNUM> z(BN_new());
  const Owned<BIGNUM> candidate(BN_dup(r));
  const Owned<BIGNUM> expected(BN_new());
  if (!x || !z || !candidate || !expected || !jacobian_x_z(group, point, x.get(), z.get(), context) ||
      BN_nnmod(x.get(), x.get(), p, context) != 1 || BN_mod_sqr(z.get(), z.get(), p, context) != 1) {
    return std::nullopt;
  }
  while (BN_cmp(candidate.get(), p) < 0) {
    if (BN_mod_mul(expected.get(), candidate.get(), z.get(), p, context) != 1) return std::nullopt;
    if (BN_cmp(expected.get(), x.get()) == 0) return true;
    if (BN_add(candidate.get(), candidate.get(), EC_GROUP_get0_order(group)) != 1) return std::nullopt;
  }
  return false;
}

}  // namespace

bool EcdsaTable::useful(Curve curve) noexcept {
  const EC_GROUP* const group = group_of(curve);
  return group != nullptr && has_own_implementation(group);
}

std::shared_ptr<const EcdsaTable> EcdsaTable::make(Curve curve, ByteView point) {
  if (!useful(curve)) return nullptr;
  const EC_GROUP* const group = group_of(curve);
  const Owned<BN_CTX> context(BN_CTX_new());
  const Owned<EC_POINT> key(EC_POINT_new(group));
  Owned<EC_GROUP> multiples(EC_GROUP_dup(group));
  const bool made = context && key && multiples &&
                    EC_POINT_oct2point(group, key.get(), point.data(), point.size(), context.get()) == 1 &&
                    EC_POINT_is_at_infinity(group, key.get()) == 0 &&
                    EC_GROUP_set_generator(multiples.get(), key.get(), EC_GROUP_get0_order(group),
                                           EC_GROUP_get0_cofactor(group)) == 1 &&
                    tabulate(multiples.get(), context.get());
  ERR_clear_error();
  if (!made) return nullptr;
  return std::shared_ptr<const EcdsaTable>(new EcdsaTable(group, std::move(multiples)));
}

std::optional<bool> EcdsaTable::verify(ByteView digest, ByteView r_bytes, ByteView s_bytes) const noexcept {
  const BIGNUM* const n = EC_GROUP_get0_order(curve_);
  const Owned<BN_CTX> context(BN_CTX_new());
  const Owned<BIGNUM> r = number(r_bytes);
  const Owned<BIGNUM> s = number(s_bytes);
  // The leftmost bits of the digest, as many as n has: whole bytes for P-256 and P-384.
  const Owned<BIGNUM> e = number(digest.first(std::min(digest.size(), static_cast<std::size_t>(BN_num_bytes(n)))));
  if (!context || !r || !s || !e) return std::nullopt;
  if (BN_is_zero(r.get()) || BN_cmp(r.get(), n) >= 0 || BN_is_zero(s.get()) || BN_cmp(s.get(), n) >= 0) return false;

  const Owned<BIGNUM> w(BN_mod_inverse(nullptr, s.get(), n, context.get()));
  const Owned<BIGNUM> u(BN_new());
  const Owned<EC_POINT> sum(EC_POINT_new(curve_));
  const Owned<EC_POINT> of_key(EC_POINT_new(curve_));
  if (!w || !u || !sum || !of_key || BN_mod_mul(u.get(), e.get(), w.get(), n, context.get()) != 1 ||
      EC_POINT_mul(curve_, sum.get(), u.get(), nullptr, nullptr, context.get()) != 1 ||
      BN_mod_mul(u.get(), r.get(), w.get(), n, context.get()) != 1 ||
      EC_POINT_mul(multiples_.get(), of_key.get(), u.get(), nullptr, nullptr, context.get()) != 1 ||
      EC_POINT_add(curve_, sum.get(), sum.get(), of_key.get(), context.get()) != 1) {
    return std::nullopt;
  }
  if (EC_POINT_is_at_infinity(curve_, sum.get()) == 1) return false;
  return has_x(curve_, sum.get(), r.get(), context.get());
}

}  // namespace cga::signature
