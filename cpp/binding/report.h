// Parts of the report binding, registered by report.cc.
#pragma once

#include <napi.h>

namespace cga::binding {

void register_certificates(Napi::Env env, Napi::Object exports);
void register_tpm_structures(Napi::Env env, Napi::Object exports);

}  // namespace cga::binding
