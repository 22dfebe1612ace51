// Byte strings of the TPM core.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bytes.h"
#include "core/error.h"

namespace cga::tpm {

/// Content of a TPM2B structure whose buffer is called `buffer`, `attestationData`, `name`….
[[nodiscard]] inline Bytes to_bytes(const std::uint8_t* data, std::size_t size) {
  return Bytes(data, data + size);
}

/// Fills a TPM2B structure. @throws Error kInvalidArgument when `data` does not fit
template <typename Sized>
void fill(Sized& target, ByteView data, const char* what) {
  if (data.size() > sizeof target.buffer) {
    throw Error(ErrorKind::kInvalidArgument,
                std::string(what) + " is longer than " + std::to_string(sizeof target.buffer) + " bytes");
  }
  target.size = static_cast<std::uint16_t>(data.size());
  std::copy(data.begin(), data.end(), target.buffer);
}

}  // namespace cga::tpm
