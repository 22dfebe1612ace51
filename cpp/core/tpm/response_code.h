// What a TSS2_RC means for the one who sent the command.
#pragma once

#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

#include <string>

#include "core/error.h"

namespace cga::tpm {

/// The TPM's own code: a resource manager passes it on with its layer number added. Other layers are left as they are.
[[nodiscard]] constexpr TSS2_RC tpm_code(TSS2_RC rc) noexcept {
  return (rc & TSS2_RC_LAYER_MASK) == TSS2_RESMGR_TPM_RC_LAYER || (rc & TSS2_RC_LAYER_MASK) == TSS2_RESMGR_RC_LAYER
             ? rc & ~TSS2_RC_LAYER_MASK
             : rc;
}

/// Format-one code without the number of the parameter, handle or session (TPM 2.0 part 2, 6.6.2).
[[nodiscard]] constexpr TSS2_RC base_code(TSS2_RC rc) noexcept {
  const TSS2_RC code = tpm_code(rc);
  return (code & TSS2_RC_LAYER_MASK) == 0 && (code & TPM2_RC_FMT1) != 0 ? code & 0xBFU : code;
}

/// Whether `rc` is format one and speaks of a handle, not of a parameter or a session.
[[nodiscard]] constexpr bool concerns_handle(TSS2_RC rc) noexcept {
  const TSS2_RC code = tpm_code(rc);
  return (code & TPM2_RC_FMT1) != 0 && (code & TPM2_RC_P) == 0 && (code & TPM2_RC_S) == 0;
}

/// Whether a TPM 2.0 or its resource manager can answer with this code (part 2, 6.6). A damaged answer says things like
/// TPM 1.2's codes, of which TPM2_RC_BAD_TAG alone has stayed.
[[nodiscard]] constexpr bool is_response_code(TSS2_RC rc) noexcept {
  constexpr TSS2_RC kCode = 0xFFF;
  constexpr TSS2_RC kVendor = 0x400;
  const TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;
  if ((rc & ~(TSS2_RC_LAYER_MASK | kCode)) != 0) return false;
  if (layer == TSS2_RESMGR_RC_LAYER) return true;
  if (layer != 0 && layer != TSS2_RESMGR_TPM_RC_LAYER) return false;
  const TSS2_RC code = rc & kCode;
  return code == TPM2_RC_SUCCESS || code == TPM2_RC_BAD_TAG || (code & (TPM2_RC_FMT1 | TPM2_RC_VER1 | kVendor)) != 0;
}

/// "Come back later": the same command is sent again.
[[nodiscard]] constexpr bool is_retry_warning(TSS2_RC rc) noexcept {
  switch (tpm_code(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
      return true;
    default:
      return false;
  }
}

/// The TPM has no slot left for an object or a session.
[[nodiscard]] constexpr bool is_out_of_slots(TSS2_RC rc) noexcept {
  switch (tpm_code(rc)) {
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_CONTEXT_GAP:
      return true;
    default:
      return false;
  }
}

/// A handle or session that was used is not loaded (any more).
[[nodiscard]] constexpr bool is_handle_gone(TSS2_RC rc) noexcept {
  const TSS2_RC code = tpm_code(rc);
  if (code >= TPM2_RC_REFERENCE_H0 && code <= TPM2_RC_REFERENCE_S6) return true;
  return base_code(rc) == TPM2_RC_HANDLE || (base_code(rc) == TPM2_RC_VALUE && concerns_handle(rc));
}

/// The failure is of the way to the TPM, or of an answer that cannot be understood: what the TPM did is unknown.
[[nodiscard]] constexpr bool is_link_failure(TSS2_RC rc) noexcept {
  switch (rc & TSS2_RC_LAYER_MASK) {
    case TSS2_TCTI_RC_LAYER:
    case TSS2_SYS_RC_LAYER:
    case TSS2_MU_RC_LAYER:
      return true;
    default:
      return false;
  }
}

/// The TPM has looked at what it was given, and refuses it: not for its handles, the policy or the PCRs, not for want
/// of anything, and not for the way there. Which code that is for a wrong padding differs between makers.
[[nodiscard]] constexpr bool is_refusal(TSS2_RC rc) noexcept {
  constexpr TSS2_RC kWarning = TPM2_RC_WARN;
  const TSS2_RC code = tpm_code(rc);
  const bool from_tpm = code != TSS2_RC_SUCCESS && (code & TSS2_RC_LAYER_MASK) == 0;
  const bool warning = (code & TPM2_RC_FMT1) == 0 && (code & kWarning) == kWarning;
  return from_tpm && !warning && !is_handle_gone(rc) && base_code(rc) != TPM2_RC_POLICY_FAIL &&
         code != TPM2_RC_PCR_CHANGED;
}

/// kTpm with the command, the code's text and the code.
[[nodiscard]] Error tpm_error(const char* command, TSS2_RC rc);

/// "tpm:parameter(1):value is out of range (0x1c4)"
[[nodiscard]] std::string describe(TSS2_RC rc);

}  // namespace cga::tpm
