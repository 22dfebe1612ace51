// Signature verification over given keys and bytes: ECDSA (FIPS 186-5), RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 8017).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "core/bytes.h"
#include "core/openssl_owners.h"
#include "core/signature/curve.h"
#include "core/signature/hash.h"

namespace cga::signature {

enum class Algorithm : std::uint8_t { kEcdsa, kRsaPkcs1, kRsaPss };

struct Scheme {
  Algorithm algorithm;
  Hash hash;                    ///< of the message, and in MGF1 for PSS; never SHA-1
  std::uint32_t salt_length{};  ///< PSS: the length that the salt must have, in bytes
};

/// "P-256", "P-384", "P-521". @throws Error kInvalidArgument
[[nodiscard]] Curve curve_named(std::string_view name);
/// "ecdsa", "rsa-pkcs1", "rsa-pss". @throws Error kInvalidArgument
[[nodiscard]] Algorithm algorithm_named(std::string_view name);

/// A public key, parsed once for any number of verifications. Not for two threads at once.
///
/// EVP computes the verdicts, or the table of a key that was seen before (`KnownKeys`).
class PublicKey {
 public:
  /// Coordinates, big-endian, each as long as the field: 32, 48 or 66 bytes.
  /// @throws Error kCrypto when the point is not on the curve or is not of that length
  [[nodiscard]] static PublicKey ec(Curve curve, ByteView x, ByteView y);
  /// Modulus and exponent, big-endian. @throws Error kCrypto unless it has 1024 to 8192 bits, and e is odd, at least 3
  /// and at most 2^33 - 1
  [[nodiscard]] static PublicKey rsa(ByteView n, ByteView e);

  /// Whether this key made `signature` over `message`. Bytes never make it throw.
  ///
  /// @param signature ECDSA: r and s, big-endian, each as long as the field; RSA: as long as the modulus
  /// @throws Error kInvalidArgument when the scheme is not for this type of key or its hash is SHA-1
  [[nodiscard]] bool verify(const Scheme& scheme, ByteView message, ByteView signature) const;

 private:
  /// What a key of an elliptic curve has beside its EVP_PKEY.
  struct Ec {
    Curve curve;
    std::size_t field;                           ///< bytes of a coordinate, of r and of s
    std::array<std::uint8_t, 1 + 2 * 66> point;  ///< uncompressed: the first 1 + 2 * field bytes
  };

  PublicKey(Owned<EVP_PKEY> key, const std::optional<Ec>& ec) noexcept : key_(std::move(key)), ec_(ec) {}
  [[nodiscard]] std::optional<bool> verdict_of_table(ByteView digest, ByteView signature) const;

  Owned<EVP_PKEY> key_;
  std::optional<Ec> ec_;
};

}  // namespace cga::signature
