// Authorization areas of commands.
#pragma once

#include <tss2/tss2_sys.h>

namespace cga::tpm {

/// Empty passwords for `count` handles: how the reference client authorizes hierarchies, the attestation key and NV.
[[nodiscard]] inline TSS2L_SYS_AUTH_COMMAND password_authorization(std::uint16_t count = 1) noexcept {
  TSS2L_SYS_AUTH_COMMAND authorization{};
  authorization.count = count;
  for (std::uint16_t i = 0; i < count; ++i) authorization.auths[i].sessionHandle = TPM2_RS_PW;
  return authorization;
}

}  // namespace cga::tpm
