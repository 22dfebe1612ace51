// HKDF-Expand with SHA-512 (RFC 5869 section 2.3).
#pragma once

#include <cstdint>
#include <span>

namespace cga {

/// Fills `out` (at most 255 · 64 bytes) from a uniformly random key and the text that says what it is for.
void hkdf_expand_sha512(std::span<const std::uint8_t> key, std::span<const std::uint8_t> info,
                        std::span<std::uint8_t> out);

}  // namespace cga
