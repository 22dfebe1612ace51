// ChunkSealer and ChunkOpener of binding.d.ts.
#pragma once

#include <napi.h>

#include <optional>

#include "core/crypto/chunked.h"

namespace cga::binding {

class ChunkSealerObject final : public Napi::ObjectWrap<ChunkSealerObject> {
 public:
  static constexpr napi_type_tag kTag{0x94c2f5a81e6d4b37U, 0x85d03e9fb2714ac6U};

  static Napi::Function define(Napi::Env env);
  explicit ChunkSealerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] crypto::ChunkSealer& sealer();
  Napi::Value prefix(const Napi::CallbackInfo& info);
  Napi::Value update_size(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value finish_size(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  std::optional<crypto::ChunkSealer> sealer_;
};

class ChunkOpenerObject final : public Napi::ObjectWrap<ChunkOpenerObject> {
 public:
  static constexpr napi_type_tag kTag{0x18e7b3d6940f4a2cU, 0x9c6f5a1e07d8b243U};

  static Napi::Function define(Napi::Env env);
  explicit ChunkOpenerObject(const Napi::CallbackInfo& info);

 private:
  [[nodiscard]] crypto::ChunkOpener& opener();
  Napi::Value update_size(const Napi::CallbackInfo& info);
  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value finish_size(const Napi::CallbackInfo& info);
  Napi::Value finish(const Napi::CallbackInfo& info);
  Napi::Value open_at(const Napi::CallbackInfo& info);
  Napi::Value destroy(const Napi::CallbackInfo& info);

  std::optional<crypto::ChunkOpener> opener_;
};

}  // namespace cga::binding
