// What a guest's TPM has, and what its peers do, for the tests of the TPM core.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tpm/connection.h"
#include "core/tpm/ephemeral_key.h"

namespace cga::test {

constexpr TPM2_HANDLE kAttestationKey = 0x81000003;
constexpr tpm::PcrSelection kPcrs{TPM2_ALG_SHA256, 0xFF};

/// Makes an attestation key with Azure's template at 0x81000003.
void provision_attestation_key(tpm::Connection& connection);

void extend_pcr(tpm::Connection& connection, std::uint32_t index, TPM2_ALG_ID bank);

/// From the next start on, the TPM has a SHA-1 bank and no other.
void allocate_only_sha1(tpm::Connection& connection);

/// How many objects and sessions are in the TPM.
[[nodiscard]] std::size_t count_loaded(tpm::Connection& connection);

/// Encrypts to the key of a TPM2B_PUBLIC with OpenSSL, which knows nothing of TPMs.
[[nodiscard]] std::vector<std::uint8_t> encrypt(ByteView public_area, ByteView message, const tpm::RsaScheme& scheme);

/// Verifies an RSASSA signature with SHA-256 by the key of a TPM2B_PUBLIC.
[[nodiscard]] bool verify(ByteView public_area, const tpm::Attestation& attestation);

}  // namespace cga::test
