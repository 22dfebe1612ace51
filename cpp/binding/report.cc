#include "binding/module.h"

namespace cga::binding {

void register_report(Napi::Env /*env*/, Napi::Object /*exports*/) {}

}  // namespace cga::binding
