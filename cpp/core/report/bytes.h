// Bounded reading of hostile bytes: little-endian for AMD and HCL structures, big-endian for TPM structures.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/error.h"

namespace cga {

using Bytes = std::span<const std::uint8_t>;

// The caller has compared the length with the structure's size; a structure of fixed size needs one such test, not
// fifty.
[[nodiscard]] inline std::uint32_t load_le32(Bytes bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) value = (value << 8) | bytes[offset + i];
  return value;
}

[[nodiscard]] inline std::uint64_t load_le64(Bytes bytes, std::size_t offset) {
  return static_cast<std::uint64_t>(load_le32(bytes, offset + 4)) << 32 | load_le32(bytes, offset);
}

[[nodiscard]] inline bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

/// Reads a TPM structure front to back; every read past the end is a kParse error that names the structure.
class BigEndianReader {
 public:
  BigEndianReader(Bytes bytes, const char* structure) : rest_(bytes), structure_(structure) {}

  [[nodiscard]] Bytes take(std::size_t size) {
    if (size > rest_.size()) throw Error(ErrorKind::kParse, std::string(structure_) + " is truncated");
    const Bytes taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  [[nodiscard]] std::uint8_t u8() { return take(1)[0]; }
  [[nodiscard]] std::uint16_t u16() { return static_cast<std::uint16_t>(integer(2)); }
  [[nodiscard]] std::uint32_t u32() { return static_cast<std::uint32_t>(integer(4)); }
  [[nodiscard]] std::uint64_t u64() { return integer(8); }
  /// A TPM2B: 16-bit size, then that many bytes, at most `limit`.
  [[nodiscard]] Bytes sized(std::size_t limit) {
    const std::size_t size = u16();
    if (size > limit) throw Error(ErrorKind::kParse, std::string(structure_) + " holds an oversized buffer");
    return take(size);
  }
  void finish() const {
    if (!rest_.empty()) throw Error(ErrorKind::kParse, std::string(structure_) + " is followed by other bytes");
  }

 private:
  std::uint64_t integer(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(size)) value = (value << 8) | byte;
    return value;
  }

  Bytes rest_;
  const char* structure_;
};

}  // namespace cga
