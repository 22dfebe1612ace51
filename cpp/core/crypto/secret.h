// Memory for keys: locked into RAM, kept out of core dumps and child processes, zeroed when it is given back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/bytes.h"

namespace cga::crypto {

/// A fixed number of secret bytes. Up to 64 bytes come from a shared page-locked arena, more from a mapping of their
/// own.
///
/// Locking is best effort, because RLIMIT_MEMLOCK may be as low as 0: `locked()` says whether it held. Leaving the
/// bytes out of core dumps (MADV_DONTDUMP) and zeroing them are not best effort.
class SecretBytes {
 public:
  SecretBytes() noexcept = default;
  /// Zero bytes of value, `size` of them.
  explicit SecretBytes(std::size_t size);
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes();

  [[nodiscard]] static SecretBytes copy_of(ByteView bytes);
  /// `size` bytes of libcrypto's private generator.
  [[nodiscard]] static SecretBytes random(std::size_t size);

  [[nodiscard]] std::span<std::uint8_t> bytes() noexcept { return {data_, size_}; }
  [[nodiscard]] ByteView bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool locked() const noexcept { return locked_; }

  /// Zeroes and gives back; safe twice.
  void clear() noexcept;

 private:
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
  bool locked_ = false;
};

/// Zeroes memory in a way that the compiler does not remove.
void secure_zero(std::span<std::uint8_t> bytes) noexcept;

/// Whether two byte strings are equal, in time that depends on their lengths only.
[[nodiscard]] bool constant_time_equal(ByteView a, ByteView b) noexcept;

/// Public random bytes: IVs and salts.
void random_bytes(std::span<std::uint8_t> out);

}  // namespace cga::crypto
