#include "core/crypto/gf128.h"

namespace cga::crypto {
namespace {

std::uint64_t load_be64(const std::uint8_t* bytes) noexcept {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

void store_be64(std::uint8_t* bytes, std::uint64_t value) noexcept {
  for (int i = 7; i >= 0; --i, value >>= 8) bytes[i] = static_cast<std::uint8_t>(value);
}

/// The bits of `value` at the odd places of the result, zeros between them.
std::uint64_t spread(std::uint32_t value) noexcept {
  std::uint64_t bits = value;
  bits = (bits | bits << 16) & 0x0000ffff0000ffffU;
  bits = (bits | bits << 8) & 0x00ff00ff00ff00ffU;
  bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0fU;
  bits = (bits | bits << 2) & 0x3333333333333333U;
  bits = (bits | bits << 1) & 0x5555555555555555U;
  return bits << 1;
}

}  // namespace

Gf128 Gf128::from_bytes(std::span<const std::uint8_t, 16> bytes) noexcept {
  return {load_be64(bytes.data()), load_be64(bytes.data() + 8)};
}

std::array<std::uint8_t, 16> Gf128::to_bytes() const noexcept {
  std::array<std::uint8_t, 16> bytes{};
  store_be64(bytes.data(), high);
  store_be64(bytes.data() + 8, low);
  return bytes;
}

Gf128 operator*(Gf128 a, Gf128 b) noexcept {
  // SP 800-38D algorithm 1, with masks where it has conditions.
  Gf128 product;
  for (int i = 0; i < 128; ++i) {
    const std::uint64_t word = i < 64 ? a.high : a.low;
    const std::uint64_t take = std::uint64_t{0} - (word >> (63 - i % 64) & 1);
    product.high ^= b.high & take;
    product.low ^= b.low & take;
    const std::uint64_t carry = std::uint64_t{0} - (b.low & 1);
    b.low = b.low >> 1 | b.high << 63;
    b.high = b.high >> 1 ^ (carry & 0xe100000000000000U);
  }
  return product;
}

Gf128 square(Gf128 value) noexcept {
  // The square of a polynomial over GF(2) has its coefficients at twice the exponents.
  const std::uint64_t x0 = spread(static_cast<std::uint32_t>(value.high >> 32));
  const std::uint64_t x64 = spread(static_cast<std::uint32_t>(value.high));
  std::uint64_t x128 = spread(static_cast<std::uint32_t>(value.low >> 32));
  const std::uint64_t x192 = spread(static_cast<std::uint32_t>(value.low));
  // x^128 = 1 + x + x^2 + x^7, once for what that makes exceed x^127 again and once for all.
  x128 ^= x192 << 63 ^ x192 << 62 ^ x192 << 57;
  return {x0 ^ x128 ^ x128 >> 1 ^ x128 >> 2 ^ x128 >> 7,
          x64 ^ x192 ^ (x192 >> 1 | x128 << 63) ^ (x192 >> 2 | x128 << 62) ^ (x192 >> 7 | x128 << 57)};
}

Gf128 inverse(Gf128 value) noexcept {
  // value^(2^128 - 2) by Itoh and Tsujii: `run` is value^(2^k - 1), and k goes 1, 3, 7, … 127.
  Gf128 run = value;
  for (int k = 1; k < 127; k = 2 * k + 1) {
    Gf128 shifted = run;
    for (int i = 0; i < k; ++i) shifted = square(shifted);
    run = shifted * run;        // 2^2k - 1
    run = square(run) * value;  // 2^(2k + 1) - 1
  }
  return square(run);
}

Gf128 power(Gf128 base, std::uint64_t exponent) noexcept {
  Gf128 result{0x8000000000000000U, 0};  // one
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = result * base;
    base = square(base);
  }
  return result;
}

}  // namespace cga::crypto
