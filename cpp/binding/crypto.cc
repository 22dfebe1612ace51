#include "binding/module.h"

namespace cga::binding {

void register_crypto(Napi::Env /*env*/, Napi::Object /*exports*/) {}

}  // namespace cga::binding
