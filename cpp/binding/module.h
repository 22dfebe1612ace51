// Each area of the binding adds its own functions and classes to the exports.
#pragma once

#include <napi.h>

namespace cga::binding {

void register_tpm(Napi::Env env, Napi::Object exports);
void register_crypto(Napi::Env env, Napi::Object exports);
void register_signature(Napi::Env env, Napi::Object exports);
void register_peer_process(Napi::Env env, Napi::Object exports);

}  // namespace cga::binding
