// AES key wrap with padding (RFC 5649), which is how a key vault hands a released key out.
#pragma once

#include "core/bytes.h"
#include "core/crypto/secret.h"

namespace cga::crypto {

/// What is wrapped here is a PKCS#8 key of at most RSA-4096's size, or a symmetric one.
inline constexpr std::size_t kMaximumWrapped = 64 * 1024;

/// Unwraps `wrapped` with an AES-256 key. The integrity check value, the length in it and the zero padding are checked
/// (RFC 5649, section 3), in time that does not depend on which of them is wrong.
///
/// @param wrapped a multiple of 8 bytes, 16 to kMaximumWrapped
/// @throws Error kCrypto when it was not wrapped with this key, kInvalidArgument for a key that is not of 32 bytes
[[nodiscard]] SecretBytes unwrap_with_padding(const SecretBytes& key, ByteView wrapped);

}  // namespace cga::crypto
