// What the processor itself remembers of a secret.
#pragma once

namespace cga::crypto {

/// Zeroes the vector registers. Whatever moves 16 bytes and more goes through them (memcpy above all) and stays there,
/// until something puts them on a stack: the dynamic linker when it binds a function at its first call, or a signal.
void clear_vector_registers() noexcept;

}  // namespace cga::crypto
