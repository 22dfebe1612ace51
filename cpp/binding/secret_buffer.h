// SecretBuffer of binding.d.ts.
#pragma once

#include <napi.h>

#include "core/crypto/secret.h"

namespace cga::binding {

/// Secret bytes in locked memory that core dumps leave out, until JavaScript asks for a copy of them.
class SecretBuffer final : public Napi::ObjectWrap<SecretBuffer> {
 public:
  static constexpr napi_type_tag kTag{0x51c7e0d2b7a94f06U, 0x93b04e6a1d2c8f75U};

  static Napi::Function define(Napi::Env env);
  explicit SecretBuffer(const Napi::CallbackInfo& info);
  /// A JavaScript object with these bytes.
  [[nodiscard]] static Napi::Value make(Napi::Env env, crypto::SecretBytes bytes);
  [[nodiscard]] static bool is_one(Napi::Value value);
  /// The native object behind a JavaScript SecretBuffer; kInvalidArgument for anything else.
  [[nodiscard]] static SecretBuffer& from(Napi::Value value);
  /// Throws kAborted after destroy().
  [[nodiscard]] const crypto::SecretBytes& bytes() const;

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value locked(const Napi::CallbackInfo& info);
  Napi::Value copy(const Napi::CallbackInfo& info);
  Napi::Value unwrap(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  crypto::SecretBytes bytes_;
  bool alive_ = true;
};

}  // namespace cga::binding
