// What others leave of a secret in memory that they gave back.
#pragma once

namespace cga::crypto {

/// Whatever is freed during this scope is overwritten, whoever frees it.
///
/// For libraries that parse a private key and free the encoding as it is: OpenSSL 3.0's decoders, which
/// crypto.createPrivateKey of Node 20 calls, leave a whole PKCS#8 in the heap, where it stays until something of its
/// size is allocated.
///
/// With glibc's allocator alone (M_PERTURB, mallopt(3)); with another one it changes nothing. It holds for the process,
/// so that other threads' memory is overwritten too while it lasts.
class FreedMemoryWiped {
 public:
  FreedMemoryWiped() noexcept;
  FreedMemoryWiped(const FreedMemoryWiped&) = delete;
  FreedMemoryWiped& operator=(const FreedMemoryWiped&) = delete;
  /// Overwrites what this thread's cache of small blocks holds, which M_PERTURB passes over.
  ~FreedMemoryWiped();
};

}  // namespace cga::crypto
