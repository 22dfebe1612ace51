// Values of the TPM core and their JavaScript form (binding.d.ts).
#pragma once

#include <napi.h>

#include "core/tpm/result.h"

namespace cga::binding {

[[nodiscard]] Napi::Value to_js(Napi::Env env, tpm::Result result);

}  // namespace cga::binding
