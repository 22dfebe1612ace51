// The hash functions of the structures that are verified.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/bytes.h"

namespace cga::signature {

enum class Hash : std::uint8_t { kSha1, kSha256, kSha384, kSha512 };

/// SHA-512 is the longest.
inline constexpr std::size_t kMaximumDigest = 64;

/// A digest in place: as long as its hash function makes it.
class Digest {
 public:
  Digest(Hash hash, ByteView data);
  [[nodiscard]] ByteView bytes() const noexcept { return {bytes_.data(), size_}; }

 private:
  std::array<std::uint8_t, kMaximumDigest> bytes_{};
  unsigned size_ = 0;
};

/// By its name as RFC 6920 and WebCrypto spell it: "SHA-1", "SHA-256", "SHA-384", "SHA-512".
/// @throws Error kInvalidArgument for any other
[[nodiscard]] Hash hash_named(std::string_view name);

/// The function, fetched from libcrypto once: a fetch by name costs more than a small digest.
[[nodiscard]] const EVP_MD* algorithm(Hash hash);

}  // namespace cga::signature
