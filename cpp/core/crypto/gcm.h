// AES-256-GCM (NIST SP 800-38D) with 96-bit IVs and 128-bit tags, on one thread.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "core/bytes.h"
#include "core/openssl_owners.h"

namespace cga::crypto {

inline constexpr std::size_t kGcmKeySize = 32;
inline constexpr std::size_t kGcmIvSize = 12;
inline constexpr std::size_t kGcmTagSize = 16;
/// 2^39 - 256 bits: what the 32-bit block counter allows in one message (SP 800-38D section 5.2.1.1).
inline constexpr std::uint64_t kGcmMaxPlaintext = (std::uint64_t{1} << 36) - 32;

/// AES-256-GCM and AES-256-CTR, fetched from libcrypto once: a fetch by name costs more than a small message.
[[nodiscard]] const EVP_CIPHER* aes_256_gcm();
[[nodiscard]] const EVP_CIPHER* aes_256_ctr();

/// Throws kInvalidArgument when a message is longer than GCM allows.
void check_gcm_length(std::size_t length);

/// One key, one direction, keyed once: only the IV changes from message to message. Not for two threads at once.
///
/// `input` and `output` are the same memory or do not overlap.
class GcmSealer {
 public:
  explicit GcmSealer(ByteView key);
  /// `output` has the length of `input`, `tag` 16 bytes. The caller never uses an IV twice.
  void seal(std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input, std::uint8_t* output,
            std::span<std::uint8_t, kGcmTagSize> tag);

 private:
  Owned<EVP_CIPHER_CTX> context_;
};

class GcmOpener {
 public:
  explicit GcmOpener(ByteView key);
  /// False when the tag is wrong; `output` is zeroed then.
  [[nodiscard]] bool open(std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input,
                          std::span<const std::uint8_t, kGcmTagSize> tag, std::uint8_t* output);

 private:
  Owned<EVP_CIPHER_CTX> context_;
};

}  // namespace cga::crypto
