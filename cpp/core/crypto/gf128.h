// GF(2^128) as GCM uses it (NIST SP 800-38D section 6.3), for putting parts of one GHASH together.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace cga::crypto {

/// An element: bit 0 of the specification is the most significant bit of `high`.
struct Gf128 {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  [[nodiscard]] static Gf128 from_bytes(std::span<const std::uint8_t, 16> bytes) noexcept;
  /// The block [aad_bits]64 || [text_bits]64 that ends every GHASH.
  [[nodiscard]] static constexpr Gf128 lengths(std::uint64_t aad_bits, std::uint64_t text_bits) noexcept {
    return {aad_bits, text_bits};
  }
  [[nodiscard]] std::array<std::uint8_t, 16> to_bytes() const noexcept;

  /// Addition, which is subtraction.
  [[nodiscard]] friend constexpr Gf128 operator^(Gf128 a, Gf128 b) noexcept { return {a.high ^ b.high, a.low ^ b.low}; }
  /// Product, in time that depends on neither operand. About 0.2 µs: for a few products a message, not for bulk.
  friend Gf128 operator*(Gf128 a, Gf128 b) noexcept;
};

/// `value` times itself: linear in characteristic 2, so some 5 ns, in time that does not depend on it.
[[nodiscard]] Gf128 square(Gf128 value) noexcept;

/// The element whose product with `value` is one; zero for zero. 13 products and 127 squares, always the same ones.
[[nodiscard]] Gf128 inverse(Gf128 value) noexcept;

/// `base` to the power of `exponent`; the exponent is public.
[[nodiscard]] Gf128 power(Gf128 base, std::uint64_t exponent) noexcept;

}  // namespace cga::crypto
