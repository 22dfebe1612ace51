// What the processor and the stack remember of a secret.
#pragma once

namespace cga::crypto {

/// Zeroes the vector registers. Whatever moves 16 bytes and more goes through them (memcpy above all) and stays there,
/// until something puts them on a stack: the dynamic linker when it binds a function at its first call, or a signal.
void clear_vector_registers() noexcept;

/// Zeroes 8 KiB of the stack below the caller, and the vector registers: libcrypto's kernels for AVX-512 leave the hash
/// key of GHASH in a frame of theirs.
void clear_traces() noexcept;

/// Clears them at the end of a scope, whichever way that is left. The first thing in it, so that the last to go.
struct TracesCleared {
  TracesCleared() = default;
  TracesCleared(const TracesCleared&) = delete;
  TracesCleared& operator=(const TracesCleared&) = delete;
  ~TracesCleared() { clear_traces(); }
};

}  // namespace cga::crypto
