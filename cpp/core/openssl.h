// One-time set-up of the static libcrypto.
#pragma once

namespace cga {

/// Initializes libcrypto without reading OPENSSL_CONF or the system's openssl.cnf: a configuration meant for another
/// program (a FIPS property query, say) must not change what this library computes. Idempotent and thread-safe; the
/// first call comes before any other use of libcrypto.
///
/// From then on all memory that libcrypto gives back is zeroed. It does so itself for keys, but not for everything that
/// is as good as a key: the padded block of an RSA encryption stays behind otherwise.
void initialize_openssl();

/// Version of the libcrypto inside, as "3.0.19".
[[nodiscard]] const char* openssl_version() noexcept;

}  // namespace cga
