// RsaPublicKey and ContentKey of binding.d.ts.
#pragma once

#include <napi.h>

#include <optional>

#include "core/crypto/rsa_wrap.h"
#include "core/crypto/secret.h"

namespace cga::binding {

class RsaPublicKey final : public Napi::ObjectWrap<RsaPublicKey> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit RsaPublicKey(const Napi::CallbackInfo& info);
  [[nodiscard]] OaepPublicKey& key() { return *key_; }

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  std::optional<OaepPublicKey> key_;
};

/// A 32-byte key whose bytes JavaScript never sees.
class ContentKey final : public Napi::ObjectWrap<ContentKey> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ContentKey(const Napi::CallbackInfo& info);
  /// Throws kAborted after destroy().
  [[nodiscard]] const SecretBytes& key() const;
  /// The native object behind a JavaScript ContentKey; kInvalidArgument for anything else.
  [[nodiscard]] static ContentKey& from(Napi::Value value);

 private:
  Napi::Value locked(const Napi::CallbackInfo& info);
  Napi::Value wrap(const Napi::CallbackInfo& info);
  Napi::Value seal(const Napi::CallbackInfo& info);
  Napi::Value seal_async(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value open_async(const Napi::CallbackInfo& info);
  Napi::Value seal_key(const Napi::CallbackInfo& info);
  Napi::Value open_key(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  SecretBytes key_;
};

}  // namespace cga::binding
