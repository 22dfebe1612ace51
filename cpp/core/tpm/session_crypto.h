// The arithmetic of salted sessions (TPM 2.0 part 1, sections 11.4, 19 and 21), SHA-256 and AES-128-CFB.
#pragma once

#include <initializer_list>
#include <string_view>

#include "core/tpm/bytes.h"
#include "core/tpm/pcr.h"

namespace cga::tpm {

[[nodiscard]] Sha256Digest sha256(std::initializer_list<ByteView> parts);
[[nodiscard]] Bytes hmac_sha256(ByteView key, std::initializer_list<ByteView> parts);

/// KDFa with SHA-256 (part 1, 11.4.10.2). @param size bytes wanted, at most 64
[[nodiscard]] Bytes kdfa(ByteView key, std::string_view label, ByteView context_u, ByteView context_v,
                         std::size_t size);

/// RSA-OAEP with SHA-256 and the label "SECRET", terminating zero included: how a salt is sent (part 1, B.10.3).
[[nodiscard]] Bytes encrypt_salt(const TPMT_PUBLIC& key, ByteView salt);

/// Decrypts a response parameter in place: AES-128-CFB, key and IV from KDFa(session key, "CFB", newer, older nonce)
/// (part 1, 21.3).
void decrypt_parameter(ByteView session_key, ByteView nonce_newer, ByteView nonce_older, Bytes& parameter);

}  // namespace cga::tpm
