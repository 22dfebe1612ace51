#include "binding/secret_buffer.h"

#include <algorithm>
#include <utility>

#include "binding/accessor.h"
#include "binding/arguments.h"
#include "binding/environment.h"
#include "core/crypto/key_unwrap.h"
#include "core/crypto/registers.h"

namespace cga::binding {

Napi::Function SecretBuffer::define(Napi::Env env) {
  return DefineClass(env, "SecretBuffer",
                     {
                         accessor<SecretBuffer, &SecretBuffer::size>("size"),
                         accessor<SecretBuffer, &SecretBuffer::locked>("locked"),
                         InstanceMethod<&SecretBuffer::copy>("copy"),
                         InstanceMethod<&SecretBuffer::unwrap>("unwrapWithPadding"),
                         InstanceMethod<&SecretBuffer::destroy>("destroy"),
                     });
}

SecretBuffer::SecretBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SecretBuffer>(info) {
  translate(info.Env(), [&] {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    if (info.Length() == 0 || info[0].IsUndefined()) return;
    const auto bytes = bytes_argument(info, 0, "bytes");
    bytes_ = crypto::SecretBytes::copy_of(bytes);
    crypto::secure_zero(bytes);
  });
}

Napi::Value SecretBuffer::make(Napi::Env env, crypto::SecretBytes bytes) {
  const Napi::Object object = environment_of(env).secret_buffer.New({});
  Unwrap(object)->bytes_ = std::move(bytes);
  return object;
}

bool SecretBuffer::is_one(Napi::Value value) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kTag);
}

SecretBuffer& SecretBuffer::from(Napi::Value value) {
  if (!is_one(value)) refuse_argument("secret", "must be a SecretBuffer");
  return *Unwrap(value.As<Napi::Object>());
}

const crypto::SecretBytes& SecretBuffer::bytes() const {
  if (!alive_) throw Error(ErrorKind::kAborted, "the secret was destroyed");
  return bytes_;
}

Napi::Value SecretBuffer::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(bytes_.size()));
}

Napi::Value SecretBuffer::locked(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), bytes_.locked());
}

Napi::Value SecretBuffer::copy(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const auto source = bytes().bytes();
    auto target = Napi::Uint8Array::New(info.Env(), source.size());
    std::copy(source.begin(), source.end(), target.Data());
    crypto::clear_vector_registers();
    return target;
  });
}

Napi::Value SecretBuffer::unwrap(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    return make(info.Env(), crypto::unwrap_with_padding(bytes(), bytes_argument(info, 0, "wrapped")));
  });
}

Napi::Value SecretBuffer::destroy(const Napi::CallbackInfo& info) {
  bytes_.clear();
  alive_ = false;
  return info.Env().Undefined();
}

}  // namespace cga::binding
