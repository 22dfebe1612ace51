#include "binding/bulk_jobs.h"
#include "binding/chunked.h"
#include "binding/content_key.h"
#include "binding/module.h"
#include "binding/session.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {

void register_crypto(Napi::Env env, Napi::Object exports) {
  BulkJobs::create(env);
  exports.Set("cores", Napi::Number::New(env, static_cast<double>(available_cores())));
  exports.Set("RsaPublicKey", RsaPublicKey::define(env));
  exports.Set("ContentKey", ContentKey::define(env));
  exports.Set("SessionSealer", SessionSealerObject::define(env));
  exports.Set("SessionOpener", SessionOpenerObject::define(env));
  exports.Set("ChunkSealer", ChunkSealerObject::define(env));
  exports.Set("ChunkOpener", ChunkOpenerObject::define(env));
}

}  // namespace cga::binding
