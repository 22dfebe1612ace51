// PublicKey and digest() of binding.d.ts.
#include <napi.h>

#include <optional>

#include "binding/arguments.h"
#include "binding/errors.h"
#include "binding/module.h"
#include "core/signature/public_key.h"

namespace cga::binding {
namespace {

std::string string_argument(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
  if (!info[index].IsString()) refuse_argument(name, "must be a string");
  return info[index].As<Napi::String>().Utf8Value();
}

signature::PublicKey key_arguments(const Napi::CallbackInfo& info) {
  const std::string type = string_argument(info, 0, "type");
  if (type == "rsa") return signature::PublicKey::rsa(bytes_argument(info, 1, "n"), bytes_argument(info, 2, "e"));
  return signature::PublicKey::ec(signature::curve_named(type), bytes_argument(info, 1, "x"),
                                  bytes_argument(info, 2, "y"));
}

class PublicKeyObject final : public Napi::ObjectWrap<PublicKeyObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "PublicKey", {InstanceMethod<&PublicKeyObject::verify>("verify")});
  }

  explicit PublicKeyObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PublicKeyObject>(info) {
    translate(info.Env(), [&] { key_.emplace(key_arguments(info)); });
  }

 private:
  Napi::Value verify(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&] {
      signature::Scheme scheme{signature::algorithm_named(string_argument(info, 0, "scheme")),
                               signature::hash_named(string_argument(info, 1, "hash"))};
      if (scheme.algorithm == signature::Algorithm::kRsaPss) {
        scheme.salt_length = static_cast<std::uint32_t>(count_argument(info, 4, "saltLength") & UINT32_MAX);
      }
      return Napi::Boolean::New(
          info.Env(), key_->verify(scheme, bytes_argument(info, 2, "message"), bytes_argument(info, 3, "signature")));
    });
  }

  std::optional<signature::PublicKey> key_;
};

Napi::Value digest(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const signature::Digest result(signature::hash_named(string_argument(info, 0, "hash")),
                                   bytes_argument(info, 1, "data"));
    const ByteView bytes = result.bytes();
    auto array = Napi::Uint8Array::New(info.Env(), bytes.size());
    std::copy(bytes.begin(), bytes.end(), array.Data());
    return array;
  });
}

}  // namespace

void register_signature(Napi::Env env, Napi::Object exports) {
  exports.Set("PublicKey", PublicKeyObject::define(env));
  exports.Set("digest", Napi::Function::New<digest>(env, "digest"));
}

}  // namespace cga::binding
