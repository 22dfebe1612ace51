// SessionSealer and SessionOpener of binding.d.ts.
#pragma once

#include <napi.h>

#include <memory>

#include "core/crypto/session.h"

namespace cga::binding {

class SessionSealerObject final : public Napi::ObjectWrap<SessionSealerObject> {
 public:
  static constexpr napi_type_tag kTag{0x7d1a6be0c3f24958U, 0xa2e5903b47cd1f68U};

  static Napi::Function define(Napi::Env env);
  explicit SessionSealerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] crypto::SessionSealer& session() const;
  Napi::Value sent(const Napi::CallbackInfo& info);
  Napi::Value seal(const Napi::CallbackInfo& info);
  Napi::Value seal_async(const Napi::CallbackInfo& info);
  Napi::Value seal_many(const Napi::CallbackInfo& info);
  Napi::Value seal_packed(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  /// Shared with jobs under way, so that destroy() takes nothing from under them.
  std::shared_ptr<crypto::SessionSealer> session_;
};

class SessionOpenerObject final : public Napi::ObjectWrap<SessionOpenerObject> {
 public:
  static constexpr napi_type_tag kTag{0x3e90d47f12ab4c86U, 0xb7f1258c6e0d39a4U};

  static Napi::Function define(Napi::Env env);
  explicit SessionOpenerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] crypto::SessionOpener& session() const;
  Napi::Value finished(const Napi::CallbackInfo& info);
  Napi::Value open(const Napi::CallbackInfo& info);
  Napi::Value open_async(const Napi::CallbackInfo& info);
  Napi::Value open_many(const Napi::CallbackInfo& info);
  Napi::Value open_packed(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  std::shared_ptr<crypto::SessionOpener> session_;
};

}  // namespace cga::binding
