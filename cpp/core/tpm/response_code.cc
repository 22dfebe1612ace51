#include "core/tpm/response_code.h"

#include <cstdio>

#include "core/tpm/tss.h"

namespace cga::tpm {

std::string describe(TSS2_RC rc) {
  char number[16];
  std::snprintf(number, sizeof number, " (0x%x)", rc);
  return tss().RC_Decode(rc) + std::string(number);
}

Error tpm_error(const char* command, TSS2_RC rc) {
  return Error(ErrorKind::kTpm, std::string(command) + " failed: " + describe(rc), rc);
}

}  // namespace cga::tpm
