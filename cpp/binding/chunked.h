// ChunkSealer and ChunkOpener of binding.d.ts.
#pragma once

#include <napi.h>

#include <optional>

#include "core/crypto/chunked.h"

namespace cga::binding {

class ChunkSealerObject final : public Napi::ObjectWrap<ChunkSealerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ChunkSealerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] ChunkSealer& sealer();
  Napi::Value prefix(const Napi::CallbackInfo& info);
  Napi::Value update_size(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value finish_size(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  std::optional<ChunkSealer> sealer_;
};

class ChunkOpenerObject final : public Napi::ObjectWrap<ChunkOpenerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ChunkOpenerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] ChunkOpener& opener();
  Napi::Value update_size(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value finish_size(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value open_at(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  std::optional<ChunkOpener> opener_;
};

}  // namespace cga::binding
