// TPM structures that a verifier reads (TPM 2.0 Library, part 2). All spans point into the bytes that were parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/report/bytes.h"

namespace cga {

constexpr std::uint32_t kTpmGenerated = 0xFF544347;
constexpr std::uint16_t kTpmAttestCertify = 0x8017;
constexpr std::uint16_t kTpmAttestQuote = 0x8018;

struct PcrSelection {
  std::uint16_t hash = 0;          ///< TPM_ALG_ID of the bank
  std::vector<std::uint8_t> pcrs;  ///< indices in ascending order
};

/// TPMS_ATTEST. `magic` is handed out, not refused: a check of its own reports it.
struct TpmsAttest {
  std::uint32_t magic = 0;
  std::uint16_t type = 0;
  Bytes qualified_signer;
  Bytes extra_data;
  std::uint64_t clock = 0;
  std::uint32_t reset_count = 0;
  std::uint32_t restart_count = 0;
  bool safe = false;
  std::uint64_t firmware_version = 0;
  std::vector<PcrSelection> pcr_selections;  ///< TPM_ST_ATTEST_QUOTE
  Bytes pcr_digest;                          ///< TPM_ST_ATTEST_QUOTE
  Bytes name;                                ///< TPM_ST_ATTEST_CERTIFY
  Bytes qualified_name;                      ///< TPM_ST_ATTEST_CERTIFY
};

/// TPMS_ATTEST without size prefix. The body is read for quotes and certifications; another type keeps only the head.
/// Throws kEmpty or kParse.
[[nodiscard]] TpmsAttest parse_tpms_attest(Bytes bytes);

/// TPM2B_PUBLIC of an RSA key.
struct TpmPublic {
  std::uint16_t name_alg = 0;
  std::uint32_t object_attributes = 0;
  Bytes auth_policy;
  std::uint16_t symmetric = 0;
  std::uint16_t scheme = 0;
  std::uint16_t scheme_hash = 0;  ///< 0 when the scheme has none
  std::uint16_t key_bits = 0;
  std::uint32_t exponent = 0;      ///< 65537 where the structure says 0
  Bytes modulus;                   ///< big-endian, key_bits / 8 bytes
  std::vector<std::uint8_t> name;  ///< nameAlg and its digest of the public area
};

/// With its 16-bit size in front. Throws kEmpty or kParse, also for a key that is not RSA.
[[nodiscard]] TpmPublic parse_tpm2b_public(Bytes bytes);

/// RSASSA-PKCS1-v1_5 with SHA-256 by the key of modulus `n` (big-endian) and exponent `e`. A malformed key throws
/// kCrypto, a wrong signature is false.
[[nodiscard]] bool verify_rsassa_sha256(Bytes n, std::uint32_t e, Bytes message, Bytes signature);

}  // namespace cga
