// ECDSA verification with a table of a public key's multiples, as libcrypto has one of the generator's.
#pragma once

#include <memory>
#include <optional>

#include "core/bytes.h"
#include "core/openssl_owners.h"
#include "core/signature/curve.h"

namespace cga::signature {

/// A public key's table. EVP computes u1 * G + u2 * Q as one product, because Q may be any point: 384 doublings for
/// P-384. With tables of both points it is two products of a quarter of the doublings. For any number of threads at
/// once; holds nothing but public values.
class EcdsaTable {
 public:
  /// Whether keys of this curve are verified faster with a table. A fact of libcrypto's build for this processor: where
  /// the curve has no implementation of its own, a table is of another kind and slower than none (P-384 of OpenSSL 3.0:
  /// 1.5 ms, and 0.6 ms without).
  [[nodiscard]] static bool useful(Curve curve) noexcept;

  /// Null where a table is not useful or could not be made. Takes 0.26 ms and 5 KiB for P-384, 21 ms and 155 KiB for
  /// P-256.
  /// @param point the key, uncompressed (SEC 1 section 2.3.3)
  [[nodiscard]] static std::shared_ptr<const EcdsaTable> make(Curve curve, ByteView point);

  /// FIPS 186-5 section 6.4.2 for a digest of any length. Nothing when libcrypto failed, which says nothing about the
  /// signature.
  /// @param r,s big-endian
  [[nodiscard]] std::optional<bool> verify(ByteView digest, ByteView r, ByteView s) const noexcept;

 private:
  EcdsaTable(const EC_GROUP* curve, Owned<EC_GROUP> multiples) noexcept
      : curve_(curve), multiples_(std::move(multiples)) {}

  const EC_GROUP* curve_;
  Owned<EC_GROUP> multiples_;  ///< the same curve, with the key in the generator's place
};

}  // namespace cga::signature
