#include "core/signature/public_key.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/signature/known_keys.h"

namespace cga::signature {
namespace {

struct CurveFacts {
  const char* name;
  const char* group;  ///< as libcrypto calls it
  std::size_t field;  ///< bytes
};
constexpr std::array<CurveFacts, 3> kCurves{{{"P-256", "P-256", 32}, {"P-384", "P-384", 48}, {"P-521", "P-521", 66}}};
constexpr std::array<const char*, 3> kAlgorithms{"ecdsa", "rsa-pkcs1", "rsa-pss"};

constexpr int kMinimumRsaBits = 1024;
constexpr int kMaximumRsaBits = 8192;
constexpr int kMaximumExponentBits = 33;

void require(bool ok, const char* what) {
  if (ok) return;
  ERR_clear_error();
  throw Error(ErrorKind::kCrypto, what);
}

Owned<EVP_PKEY> make_key(const char* type, OSSL_PARAM_BLD* builder, const char* what) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  require(parameters && maker && EVP_PKEY_fromdata_init(maker.get()) == 1 &&
              EVP_PKEY_fromdata(maker.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1,
          what);
  return Owned<EVP_PKEY>(key);
}

EVP_PKEY* make_empty_key(const CurveFacts& curve) {
  const Owned<EVP_PKEY_CTX> maker(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  // OSSL_PARAM has no const text; it is only read.
  std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>(curve.group), 0),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* key = nullptr;
  require(maker && EVP_PKEY_fromdata_init(maker.get()) == 1 &&
              EVP_PKEY_fromdata(maker.get(), &key, EVP_PKEY_KEY_PARAMETERS, parameters.data()) == 1,
          "the EC key could not be set up");
  return key;
}

/// A key that has its curve and no point yet: to copy one takes a fraction of what it takes to set a curve up.
Owned<EVP_PKEY> empty_key(Curve curve) {
  static const std::array<EVP_PKEY*, 3> empty{make_empty_key(kCurves[0]), make_empty_key(kCurves[1]),
                                              make_empty_key(kCurves[2])};
  return Owned<EVP_PKEY>(EVP_PKEY_dup(empty[static_cast<std::size_t>(curve)]));
}

Owned<BIGNUM> number(ByteView bytes) {
  Owned<BIGNUM> result(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  if (!result) throw std::bad_alloc();
  return result;
}

/// ECDSA-Sig-Value (RFC 3279 section 2.2.3), which is what EVP_PKEY_verify takes. At most 9 + 2 * 66 bytes.
class DerSignature {
 public:
  explicit DerSignature(ByteView signature) {
    const std::size_t half = signature.size() / 2;
    std::array<std::uint8_t, kRoom> body{};
    std::size_t size = 0;
    add_integer(body, size, signature.first(half));
    add_integer(body, size, signature.subspan(half));
    bytes_[size_++] = 0x30;
    if (size > 127) bytes_[size_++] = 0x81;
    bytes_[size_++] = static_cast<std::uint8_t>(size);
    std::copy_n(body.begin(), size, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += size;
  }
  [[nodiscard]] ByteView bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  static constexpr std::size_t kRoom = 3 + 2 * (3 + 66);

  static void add_integer(std::array<std::uint8_t, kRoom>& to, std::size_t& at, ByteView value) {
    while (value.size() > 1 && value.front() == 0) value = value.subspan(1);
    const bool sign = (value.front() & 0x80U) != 0;
    to[at++] = 0x02;
    to[at++] = static_cast<std::uint8_t>(value.size() + (sign ? 1 : 0));
    if (sign) to[at++] = 0;
    std::copy(value.begin(), value.end(), to.begin() + static_cast<std::ptrdiff_t>(at));
    at += value.size();
  }

  std::array<std::uint8_t, kRoom> bytes_{};
  std::size_t size_ = 0;
};

/// False for a salt that is longer than the modulus has room for: no signature has it.
bool set_padding(EVP_PKEY_CTX* context, const Scheme& scheme) {
  const bool pss = scheme.algorithm == Algorithm::kRsaPss;
  if (EVP_PKEY_CTX_set_rsa_padding(context, pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context, algorithm(scheme.hash)) != 1) {
    return false;
  }
  if (!pss) return true;
  if (scheme.salt_length > kMaximumRsaBits / 8) return false;
  return EVP_PKEY_CTX_set_rsa_mgf1_md(context, algorithm(scheme.hash)) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, static_cast<int>(scheme.salt_length)) == 1;
}

}  // namespace

Curve curve_named(std::string_view name) {
  for (std::size_t i = 0; i < kCurves.size(); ++i) {
    if (name == kCurves[i].name) return static_cast<Curve>(i);
  }
  throw Error(ErrorKind::kInvalidArgument, "curve is not one of P-256, P-384 and P-521");
}

Algorithm algorithm_named(std::string_view name) {
  for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
    if (name == kAlgorithms[i]) return static_cast<Algorithm>(i);
  }
  throw Error(ErrorKind::kInvalidArgument, "scheme is not one of ecdsa, rsa-pkcs1 and rsa-pss");
}

PublicKey PublicKey::ec(Curve curve, ByteView x, ByteView y) {
  const CurveFacts& facts = kCurves[static_cast<std::size_t>(curve)];
  require(x.size() == facts.field && y.size() == facts.field, "the key's coordinates have not the curve's length");
  Ec ec{curve, facts.field, {POINT_CONVERSION_UNCOMPRESSED}};
  std::copy(x.begin(), x.end(), ec.point.begin() + 1);
  std::copy(y.begin(), y.end(), ec.point.begin() + 1 + static_cast<std::ptrdiff_t>(x.size()));
  Owned<EVP_PKEY> key = empty_key(curve);
  // Refuses a point that is not on the curve, as EVP_PKEY_fromdata does (EC_POINT_oct2point).
  require(key && EVP_PKEY_set1_encoded_public_key(key.get(), ec.point.data(), 1 + 2 * facts.field) == 1,
          "the EC key's point is not on its curve");
  return {std::move(key), ec};
}

PublicKey PublicKey::rsa(ByteView n, ByteView e) {
  require(n.size() <= kMaximumRsaBits / 8 + 1 && e.size() <= 8, "the RSA key's modulus or exponent is too long");
  const Owned<BIGNUM> modulus = number(n);
  const Owned<BIGNUM> exponent = number(e);
  const int bits = BN_num_bits(modulus.get());
  require(bits >= kMinimumRsaBits && bits <= kMaximumRsaBits && BN_is_odd(modulus.get()) && BN_is_odd(exponent.get()) &&
              BN_num_bits(exponent.get()) >= 2 && BN_num_bits(exponent.get()) <= kMaximumExponentBits,
          "the RSA key must have 1024 to 8192 bits and an odd exponent from 3 to 2^33");
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  require(builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) == 1 &&
              OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) == 1,
          "the RSA key could not be set up");
  return {make_key("RSA", builder.get(), "the RSA key could not be set up"), std::nullopt};
}

bool PublicKey::verify(const Scheme& scheme, ByteView message, ByteView signature) const {
  const bool ecdsa = scheme.algorithm == Algorithm::kEcdsa;
  if (ecdsa != ec_.has_value()) throw Error(ErrorKind::kInvalidArgument, "the scheme is not for this type of key");
  if (scheme.hash == Hash::kSha1) throw Error(ErrorKind::kInvalidArgument, "signatures over SHA-1 are not verified");
  const auto size = static_cast<std::size_t>(EVP_PKEY_get_size(key_.get()));
  if (signature.size() != (ecdsa ? 2 * ec_->field : size)) return false;

  const Digest digest(scheme.hash, message);
  const ByteView hashed = digest.bytes();
  if (ecdsa) {
    if (const std::optional<bool> verdict = verdict_of_table(hashed, signature)) return *verdict;
  }
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
  require(context && EVP_PKEY_verify_init(context.get()) == 1, "a verification could not be set up");
  bool valid = false;
  if (ecdsa) {
    const DerSignature der(signature);
    valid = EVP_PKEY_verify(context.get(), der.bytes().data(), der.bytes().size(), hashed.data(), hashed.size()) == 1;
  } else if (set_padding(context.get(), scheme)) {
    valid = EVP_PKEY_verify(context.get(), signature.data(), signature.size(), hashed.data(), hashed.size()) == 1;
  }
  ERR_clear_error();
  return valid;
}

/// Nothing where the key has no table, or libcrypto failed with it.
std::optional<bool> PublicKey::verdict_of_table(ByteView digest, ByteView signature) const {
  KnownKeys* const known = KnownKeys::of(ec_->curve);
  if (known == nullptr) return std::nullopt;
  const auto table = known->use(ByteView(ec_->point).first(1 + 2 * ec_->field));
  if (!table) return std::nullopt;
  const auto verdict = table->verify(digest, signature.first(ec_->field), signature.subspan(ec_->field));
  ERR_clear_error();
  return verdict;
}

}  // namespace cga::signature
