// RSA-OAEP key encryption (RFC 8017 section 7.1) with a key that was parsed once.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/openssl_owners.h"

namespace cga::crypto {

/// An RSA public key set up for OAEP with SHA-256, MGF1 with SHA-256 and the empty label ("RSA-OAEP-256" of RFC 7518).
class OaepPublicKey {
 public:
  /// Modulus and exponent, big-endian. 2048 to 16384 bits; kInvalidArgument otherwise.
  OaepPublicKey(ByteView modulus, ByteView exponent);

  /// Encrypts `secret` into a block of the modulus' size. Not for two threads at once.
  [[nodiscard]] std::vector<std::uint8_t> wrap(ByteView secret);

  /// Bytes of the modulus.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  Owned<EVP_PKEY> key_;
  Owned<EVP_PKEY_CTX> context_;
  std::size_t size_ = 0;
};

}  // namespace cga::crypto
