#include "binding/chunked.h"

#include <array>

#include "binding/accessor.h"
#include "binding/arguments.h"
#include "binding/content_key.h"
#include "binding/errors.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {
namespace {

Error destroyed() {
  return {ErrorKind::kAborted, "the stream is closed"};
}

Napi::Value number(Napi::Env env, std::size_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

/// An output of exactly the size that the call will fill, apart from its input.
std::uint8_t* exact_output(std::span<const std::uint8_t> input, std::span<std::uint8_t> output, std::size_t size) {
  if (output.size() != size) refuse_argument("output", "has a wrong length");
  if (!input.empty() && input.data() == output.data()) refuse_argument("output", "overlaps the input");
  check_overlap(input, output);
  return output.data();
}

}  // namespace

Napi::Function ChunkSealerObject::define(Napi::Env env) {
  return DefineClass(env, "ChunkSealer",
                     {
                         accessor<ChunkSealerObject, &ChunkSealerObject::prefix>("prefix"),
                         InstanceMethod<&ChunkSealerObject::update_size>("updateSize"),
                         InstanceMethod<&ChunkSealerObject::update>("update"),
                         accessor<ChunkSealerObject, &ChunkSealerObject::finish_size>("finishSize"),
                         InstanceMethod<&ChunkSealerObject::finish>("finish"),
                         InstanceMethod<&ChunkSealerObject::destroy>("destroy"),
                     });
}

ChunkSealerObject::ChunkSealerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChunkSealerObject>(info) {
  translate(info.Env(), [&] {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    std::array<std::uint8_t, crypto::kChunkedSaltSize> salt{};
    crypto::random_bytes(salt);
    sealer_.emplace(ContentKey::from(info[0]).key().bytes(), salt, bytes_argument(info, 1, "context"));
  });
}

crypto::ChunkSealer& ChunkSealerObject::sealer() {
  if (!sealer_) throw destroyed();
  return *sealer_;
}

Napi::Value ChunkSealerObject::prefix(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const auto prefix = sealer().prefix();
    return Napi::Buffer<std::uint8_t>::Copy(info.Env(), prefix.data(), prefix.size());
  });
}

Napi::Value ChunkSealerObject::update_size(const Napi::CallbackInfo& info) {
  return translate(info.Env(),
                   [&] { return number(info.Env(), sealer().update_size(count_argument(info, 0, "size"))); });
}

Napi::Value ChunkSealerObject::update(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const auto input = bytes_argument(info, 0, "input");
    auto* const output = exact_output(input, bytes_argument(info, 1, "output"), sealer().update_size(input.size()));
    return number(info.Env(), sealer().update(input, output, crypto::available_cores()));
  });
}

Napi::Value ChunkSealerObject::finish_size(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return number(info.Env(), sealer().finish_size()); });
}

Napi::Value ChunkSealerObject::finish(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    auto* const output = exact_output({}, bytes_argument(info, 0, "output"), sealer().finish_size());
    const std::size_t size = sealer().finish(output);
    sealer_.reset();
    return number(info.Env(), size);
  });
}

Napi::Value ChunkSealerObject::destroy(const Napi::CallbackInfo& info) {
  sealer_.reset();
  return info.Env().Undefined();
}

Napi::Function ChunkOpenerObject::define(Napi::Env env) {
  return DefineClass(env, "ChunkOpener",
                     {
                         InstanceMethod<&ChunkOpenerObject::update_size>("updateSize"),
                         InstanceMethod<&ChunkOpenerObject::update>("update"),
                         accessor<ChunkOpenerObject, &ChunkOpenerObject::finish_size>("finishSize"),
                         InstanceMethod<&ChunkOpenerObject::finish>("finish"),
                         InstanceMethod<&ChunkOpenerObject::open_at>("openAt"),
                         InstanceMethod<&ChunkOpenerObject::destroy>("destroy"),
                     });
}

ChunkOpenerObject::ChunkOpenerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ChunkOpenerObject>(info) {
  translate(info.Env(), [&] {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    opener_.emplace(ContentKey::from(info[0]).key().bytes(),
                    fixed_bytes_argument<crypto::kChunkedPrefixSize>(info, 1, "prefix"),
                    bytes_argument(info, 2, "context"));
  });
}

crypto::ChunkOpener& ChunkOpenerObject::opener() {
  if (!opener_) throw destroyed();
  return *opener_;
}

Napi::Value ChunkOpenerObject::update_size(const Napi::CallbackInfo& info) {
  return translate(info.Env(),
                   [&] { return number(info.Env(), opener().update_size(count_argument(info, 0, "size"))); });
}

Napi::Value ChunkOpenerObject::update(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const auto input = bytes_argument(info, 0, "input");
    auto* const output = exact_output(input, bytes_argument(info, 1, "output"), opener().update_size(input.size()));
    return number(info.Env(), opener().update(input, output, crypto::available_cores()));
  });
}

Napi::Value ChunkOpenerObject::finish_size(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return number(info.Env(), opener().finish_size()); });
}

Napi::Value ChunkOpenerObject::finish(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    auto* const output = exact_output({}, bytes_argument(info, 0, "output"), opener().finish_size());
    return number(info.Env(), opener().finish(output));
  });
}

Napi::Value ChunkOpenerObject::open_at(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const std::size_t first = count_argument(info, 0, "first");
    const auto input = bytes_argument(info, 1, "input");
    const std::size_t chunks = (input.size() + crypto::kSealedChunkSize - 1) / crypto::kSealedChunkSize;
    const std::size_t rest = input.size() % crypto::kSealedChunkSize;
    if (rest != 0 && rest < crypto::kGcmTagSize)
      throw Error(ErrorKind::kCrypto, "the last chunk is shorter than its tag");
    auto* const output =
        exact_output(input, bytes_argument(info, 2, "output"), input.size() - chunks * crypto::kGcmTagSize);
    if (!crypto::open_chunks(opener().key(), first, input, output, crypto::available_cores())) {
      throw Error(ErrorKind::kCrypto, "a chunk is not genuine");
    }
    return info.Env().Undefined();
  });
}

Napi::Value ChunkOpenerObject::destroy(const Napi::CallbackInfo& info) {
  opener_.reset();
  return info.Env().Undefined();
}

}  // namespace cga::binding
