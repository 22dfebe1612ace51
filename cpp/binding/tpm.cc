#include "binding/module.h"

namespace cga::binding {

void register_tpm(Napi::Env /*env*/, Napi::Object /*exports*/) {}

}  // namespace cga::binding
