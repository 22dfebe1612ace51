#include "binding/module.h"

#include <napi.h>

#include "binding/environment.h"
#include "binding/errors.h"
#include "core/openssl.h"

namespace {

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  cga::binding::translate(env, [] { cga::initialize_openssl(); });
  env.SetInstanceData(new cga::binding::Environment{cga::binding::Deliveries::create(env), {}});
  exports.Set("opensslVersion", Napi::String::New(env, cga::openssl_version()));
  cga::binding::register_tpm(env, exports);
  cga::binding::register_crypto(env, exports);
  cga::binding::register_signature(env, exports);
  cga::binding::register_peer_process(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(cvm_guest_attestation, initialize)
