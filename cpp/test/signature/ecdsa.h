// ECDSA in plain arithmetic, to make signatures that no signer makes.
#pragma once

#include <openssl/bn.h>
#include <openssl/ec.h>

#include "core/bytes.h"
#include "core/openssl_owners.h"
#include "core/signature/curve.h"

namespace cga::test {

using Number = Owned<BIGNUM>;
using Point = Owned<EC_POINT>;

struct RawSignature {
  Bytes r;
  Bytes s;
};

/// A curve's group, and numbers modulo its order n.
class Group {
 public:
  explicit Group(signature::Curve curve);

  [[nodiscard]] std::size_t field() const noexcept { return field_; }
  [[nodiscard]] const char* name() const noexcept { return name_; }
  [[nodiscard]] const BIGNUM* n() const { return EC_GROUP_get0_order(group_.get()); }
  [[nodiscard]] const BIGNUM* p() const { return EC_GROUP_get0_field(group_.get()); }

  [[nodiscard]] Number random() const;  ///< from 1 to n - 1
  [[nodiscard]] Number add(const BIGNUM* a, const BIGNUM* b) const;
  [[nodiscard]] Number times(const BIGNUM* a, const BIGNUM* b) const;
  [[nodiscard]] Number over(const BIGNUM* a, const BIGNUM* b) const;
  [[nodiscard]] Number minus(const BIGNUM* a) const;

  /// g * G + q * Q; `q` and `point` may be null.
  [[nodiscard]] Point product(const BIGNUM* g, const EC_POINT* point = nullptr, const BIGNUM* q = nullptr) const;
  [[nodiscard]] bool is_infinity(const EC_POINT* point) const;
  [[nodiscard]] Number x(const EC_POINT* point) const;  ///< not reduced by n
  [[nodiscard]] Number r(const EC_POINT* point) const;  ///< x reduced by n
  /// Null where no point has it.
  [[nodiscard]] Point with_x(const BIGNUM* x) const;
  [[nodiscard]] Bytes encoded(const EC_POINT* point) const;  ///< uncompressed

  /// As long as a coordinate.
  [[nodiscard]] Bytes bytes(const BIGNUM* number) const;
  /// e of FIPS 186-5 section 6.4.1 for a digest, reduced by n.
  [[nodiscard]] Number e(ByteView digest) const;

  [[nodiscard]] RawSignature signature(const BIGNUM* r, const BIGNUM* s) const { return {bytes(r), bytes(s)}; }
  [[nodiscard]] RawSignature sign(const BIGNUM* d, ByteView digest) const;
  /// EVP's verdict.
  [[nodiscard]] bool evp_verifies(ByteView point, ByteView digest, const RawSignature& signature) const;

 private:
  const char* name_;
  std::size_t field_;
  Owned<EC_GROUP> group_;
  Owned<BN_CTX> context_;
};

[[nodiscard]] Number number(unsigned long value);
[[nodiscard]] Number number(ByteView bytes);

}  // namespace cga::test
