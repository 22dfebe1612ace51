#include "binding/module.h"
#include "binding/tpm_client.h"

namespace cga::binding {

void register_tpm(Napi::Env env, Napi::Object exports) {
  exports.Set("TpmClient", TpmClient::define(env));
}

}  // namespace cga::binding
