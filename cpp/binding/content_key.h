// RsaPublicKey and ContentKey of binding.d.ts.
#pragma once

#include <napi.h>

#include <optional>

#include "core/crypto/rsa_wrap.h"
#include "core/crypto/secret.h"

namespace cga::binding {

class RsaPublicKey final : public Napi::ObjectWrap<RsaPublicKey> {
 public:
  static constexpr napi_type_tag kTag{0x6b1f0f3a51c84d7eU, 0x9a3fd5a2c0b74e11U};

  static Napi::Function define(Napi::Env env);
  explicit RsaPublicKey(const Napi::CallbackInfo& info);
  [[nodiscard]] crypto::OaepPublicKey& key() { return *key_; }

 private:
  Napi::Value size(const Napi::CallbackInfo& info);
  std::optional<crypto::OaepPublicKey> key_;
};

/// A 32-byte key whose bytes JavaScript never sees.
class ContentKey final : public Napi::ObjectWrap<ContentKey> {
 public:
  static constexpr napi_type_tag kTag{0x2f8a0c9d4be14c55U, 0x8d5b17e6f0a94372U};

  static Napi::Function define(Napi::Env env);
  explicit ContentKey(const Napi::CallbackInfo& info);
  /// Throws kAborted after destroy().
  [[nodiscard]] const crypto::SecretBytes& key() const;
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

  crypto::SecretBytes key_;
};

}  // namespace cga::binding
