#include "core/openssl.h"

#include <malloc.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace cga {
namespace {

void* allocate(std::size_t size, const char* /*file*/, int /*line*/) {
  return std::malloc(size);
}

void release(void* memory, const char* /*file*/, int /*line*/) {
  if (memory == nullptr) return;
  OPENSSL_cleanse(memory, malloc_usable_size(memory));
  std::free(memory);
}

/// Never in place of a copy: what realloc() gives back is not zeroed.
void* reallocate(void* memory, std::size_t size, const char* file, int line) {
  if (size == 0) {
    release(memory, file, line);
    return nullptr;
  }
  void* const larger = std::malloc(size);
  if (larger == nullptr || memory == nullptr) return larger;
  std::memcpy(larger, memory, std::min(size, malloc_usable_size(memory)));
  release(memory, file, line);
  return larger;
}

}  // namespace

void initialize_openssl() {
  // Possible until libcrypto has allocated for the first time, and nobody else uses this one.
  static const bool zeroing = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;
  if (!zeroing) throw Error(ErrorKind::kInternal, "libcrypto was in use before it was initialized");
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr) != 1) {
    throw Error(ErrorKind::kInternal, "libcrypto could not be initialized");
  }
}

const char* openssl_version() noexcept {
  return OpenSSL_version(OPENSSL_VERSION_STRING);
}

}  // namespace cga
