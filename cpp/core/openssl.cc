#include "core/openssl.h"

#include <openssl/crypto.h>

#include "core/error.h"

namespace cga {

void initialize_openssl() {
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, nullptr) != 1) {
    throw Error(ErrorKind::kInternal, "libcrypto could not be initialised");
  }
}

const char* openssl_version() noexcept {
  return OpenSSL_version(OPENSSL_VERSION_STRING);
}

}  // namespace cga
