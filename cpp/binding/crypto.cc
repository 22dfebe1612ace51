#include "binding/arguments.h"
#include "binding/chunked.h"
#include "binding/content_key.h"
#include "binding/environment.h"
#include "binding/errors.h"
#include "binding/module.h"
#include "binding/secret_buffer.h"
#include "binding/session.h"
#include "core/crypto/freed_memory.h"
#include "core/crypto/gcm_parallel.h"
#include "core/crypto/huge_pages.h"
#include "core/crypto/secret.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {
namespace {

Napi::Value want_huge_pages_in(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    crypto::want_huge_pages(bytes_argument(info, 0, "memory"));
    return info.Env().Undefined();
  });
}

Napi::Value wiping_what_is_freed(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    if (info.Length() == 0 || !info[0].IsFunction()) refuse_argument("work", "must be a function");
    const crypto::FreedMemoryWiped scope;
    return info[0].As<Napi::Function>().Call({});
  });
}

Napi::Value fill_randomly(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    crypto::random_bytes(bytes_argument(info, 0, "bytes"));
    return info.Env().Undefined();
  });
}

}  // namespace

void register_crypto(Napi::Env env, Napi::Object exports) {
  exports.Set("parallel", Napi::Boolean::New(env, crypto::self_test_parallel()));
  exports.Set("cores", Napi::Number::New(env, static_cast<double>(crypto::available_cores())));
  exports.Set("wantHugePages", Napi::Function::New<want_huge_pages_in>(env, "wantHugePages"));
  exports.Set("wipingWhatIsFreed", Napi::Function::New<wiping_what_is_freed>(env, "wipingWhatIsFreed"));
  exports.Set("fillRandomly", Napi::Function::New<fill_randomly>(env, "fillRandomly"));
  exports.Set("RsaPublicKey", RsaPublicKey::define(env));
  exports.Set("ContentKey", ContentKey::define(env));
  const Napi::Function secret_buffer = SecretBuffer::define(env);
  environment_of(env).secret_buffer = Napi::Persistent(secret_buffer);
  exports.Set("SecretBuffer", secret_buffer);
  exports.Set("SessionSealer", SessionSealerObject::define(env));
  exports.Set("SessionOpener", SessionOpenerObject::define(env));
  exports.Set("ChunkSealer", ChunkSealerObject::define(env));
  exports.Set("ChunkOpener", ChunkOpenerObject::define(env));
}

}  // namespace cga::binding
