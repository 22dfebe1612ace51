#include "binding/content_key.h"
#include "binding/module.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {

void register_crypto(Napi::Env env, Napi::Object exports) {
  exports.Set("cores", Napi::Number::New(env, static_cast<double>(available_cores())));
  exports.Set("RsaPublicKey", RsaPublicKey::define(env));
  exports.Set("ContentKey", ContentKey::define(env));
}

}  // namespace cga::binding
