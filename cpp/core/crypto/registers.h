// What the processor and the stack remember of a secret.
#pragma once

#include <cstddef>

namespace cga::crypto {

/// More than an operation of AES-GCM uses of the stack, which registers_test.cc measures: the kernels for AVX-512 have
/// 48 powers of the hash key and 48 blocks there, and reach 1,904 bytes deep.
constexpr std::size_t kStackCleared = 3 * 1024;

/// Zeroes the vector registers. Whatever moves 16 bytes and more goes through them (memcpy above all) and stays there,
/// until something puts them on a stack: the dynamic linker when it binds a function at its first call, or a signal.
void clear_vector_registers() noexcept;

/// Zeroes the stack below the caller, as far as kStackCleared, and the vector registers: libcrypto's kernels for
/// AVX-512 leave the hash key of GHASH in a frame of theirs.
void clear_traces() noexcept;

/// Clears them at the end of a scope, whichever way that is left. The first thing in it, so that the last to go.
struct TracesCleared {
  TracesCleared() = default;
  TracesCleared(const TracesCleared&) = delete;
  TracesCleared& operator=(const TracesCleared&) = delete;
  ~TracesCleared() { clear_traces(); }
};

}  // namespace cga::crypto
