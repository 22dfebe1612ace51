// RSA-OAEP key encryption (RFC 8017 section 7.1) with a key that was parsed once.
#pragma once

#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace cga {

struct PkeyDeleter {
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
};
struct PkeyContextDeleter {
  void operator()(EVP_PKEY_CTX* context) const noexcept { EVP_PKEY_CTX_free(context); }
};

/// An RSA public key set up for OAEP with SHA-256, MGF1 with SHA-256 and the empty label ("RSA-OAEP-256" of RFC 7518).
class OaepPublicKey {
 public:
  /// Modulus and exponent, big-endian. 2048 to 16384 bits; kInvalidArgument otherwise.
  OaepPublicKey(std::span<const std::uint8_t> modulus, std::span<const std::uint8_t> exponent);

  /// Encrypts `secret` into a block of the modulus' size. Not for two threads at once.
  [[nodiscard]] std::vector<std::uint8_t> wrap(std::span<const std::uint8_t> secret);

  /// Bytes of the modulus.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<EVP_PKEY, PkeyDeleter> key_;
  std::unique_ptr<EVP_PKEY_CTX, PkeyContextDeleter> context_;
  std::size_t size_ = 0;
};

}  // namespace cga
