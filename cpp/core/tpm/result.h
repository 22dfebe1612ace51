// What a job on the TPM thread hands back.
#pragma once

#include <exception>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/crypto/secret.h"
#include "core/tpm/attestation_key.h"
#include "core/tpm/capability.h"
#include "core/tpm/ephemeral_key.h"
#include "core/tpm/nv.h"
#include "core/tpm/object.h"
#include "core/tpm/pcr.h"

namespace cga::tpm {

struct DeviceReport {
  Capabilities capabilities;
  std::vector<TPM2_HANDLE> transient;
  std::vector<TPM2_HANDLE> loaded_sessions;
  bool resource_manager;
};

using Result = std::variant<std::monostate, bool, Bytes, std::optional<Bytes>, std::vector<PcrValue>, PublicArea,
                            std::optional<NvPublic>, Attestation, CertifiedKey, DeviceReport, std::vector<TPM2_HANDLE>,
                            crypto::SecretBytes>;

/// A result, or the error instead of it.
struct Outcome {
  Result result;
  std::exception_ptr error;
};

}  // namespace cga::tpm
