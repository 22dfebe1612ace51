// HKDF-Expand with SHA-512 (RFC 5869 section 2.3).
#pragma once

#include <cstdint>
#include <span>

#include "core/bytes.h"

namespace cga::crypto {

/// Fills `out` (at most 255 · 64 bytes) from a uniformly random key and the text that says what it is for.
void hkdf_expand_sha512(ByteView key, ByteView info, std::span<std::uint8_t> out);

}  // namespace cga::crypto
