#include "binding/content_key.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "binding/accessor.h"
#include "binding/arguments.h"
#include "binding/bulk_work.h"
#include "binding/errors.h"
#include "binding/secret_buffer.h"
#include "core/crypto/gcm_parallel.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {
namespace {

/// Arguments of seal and open: iv, aad, tag, input, output, and how many threads.
struct Message {
  std::array<std::uint8_t, crypto::kGcmIvSize> iv{};
  std::vector<std::uint8_t> aad;
  std::span<std::uint8_t, crypto::kGcmTagSize> tag;
  std::span<const std::uint8_t> input;
  std::uint8_t* output;
  std::size_t threads;
};

Message message_arguments(const Napi::CallbackInfo& info) {
  const auto iv = fixed_bytes_argument<crypto::kGcmIvSize>(info, 0, "iv");
  const auto aad = bytes_argument(info, 1, "aad");
  const auto tag = fixed_bytes_argument<crypto::kGcmTagSize>(info, 2, "tag");
  const auto input = bytes_argument(info, 3, "input");
  const auto output = bytes_argument(info, 4, "output");
  if (output.size() != input.size()) refuse_argument("output", "must be as long as the input");
  check_overlap(input, output);
  crypto::check_gcm_length(input.size());
  Message message{{}, {aad.begin(), aad.end()}, tag, input, output.data(), crypto::available_cores()};
  std::copy(iv.begin(), iv.end(), message.iv.begin());
  if (info.Length() > 5 && !info[5].IsUndefined()) message.threads = count_argument(info, 5, "threads");
  return message;
}

void seal_message(const crypto::SecretBytes& key, const Message& message) {
  crypto::seal_parallel(key.bytes(), message.iv, message.aad, message.input, message.output, message.tag,
                        message.threads);
}

void open_message(const crypto::SecretBytes& key, const Message& message) {
  if (!crypto::open_parallel(key.bytes(), message.iv, message.aad, message.input, message.tag, message.output,
                             message.threads)) {
    throw Error(ErrorKind::kCrypto, "the authentication tag is wrong");
  }
}

template <typename Work>
Napi::Value message_job(const Napi::CallbackInfo& info, const crypto::SecretBytes& key, Work work) {
  // A copy of the key, so that destroy() meanwhile takes nothing from under the job.
  auto own = std::make_shared<crypto::SecretBytes>(crypto::SecretBytes::copy_of(key.bytes()));
  Message message = message_arguments(info);
  return run_bulk(info.Env(), {info[2], info[3], info[4]},
                  [own = std::move(own), message = std::move(message), work] { work(*own, message); });
}

}  // namespace

Napi::Function RsaPublicKey::define(Napi::Env env) {
  return DefineClass(env, "RsaPublicKey", {accessor<RsaPublicKey, &RsaPublicKey::size>("size")});
}

RsaPublicKey::RsaPublicKey(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RsaPublicKey>(info) {
  translate(info.Env(), [&] {
    key_.emplace(bytes_argument(info, 0, "modulus"), bytes_argument(info, 1, "exponent"));
    info.This().As<Napi::Object>().TypeTag(&RsaPublicKey::kTag);
  });
}

Napi::Value RsaPublicKey::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(key_->size()));
}

Napi::Function ContentKey::define(Napi::Env env) {
  return DefineClass(env, "ContentKey",
                     {
                         accessor<ContentKey, &ContentKey::locked>("locked"),
                         InstanceMethod<&ContentKey::wrap>("wrap"),
                         InstanceMethod<&ContentKey::seal>("seal"),
                         InstanceMethod<&ContentKey::seal_async>("sealAsync"),
                         InstanceMethod<&ContentKey::open>("open"),
                         InstanceMethod<&ContentKey::open_async>("openAsync"),
                         InstanceMethod<&ContentKey::seal_key>("sealKey"),
                         InstanceMethod<&ContentKey::open_key>("openKey"),
                         InstanceMethod<&ContentKey::destroy>("destroy"),
                     });
}

ContentKey::ContentKey(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ContentKey>(info) {
  translate(info.Env(), [&] {
    if (info.Length() == 0 || info[0].IsUndefined()) {
      key_ = crypto::SecretBytes::random(crypto::kGcmKeySize);
    } else if (SecretBuffer::is_one(info[0])) {
      const auto bytes = SecretBuffer::from(info[0]).bytes().bytes();
      if (bytes.size() != crypto::kGcmKeySize) refuse_argument("key", "has a wrong length");
      key_ = crypto::SecretBytes::copy_of(bytes);
    } else if (!info[0].IsTypedArray()) {
      key_ = crypto::SecretBytes::copy_of(from(info[0]).key().bytes());
    } else {
      const auto bytes = fixed_bytes_argument<crypto::kGcmKeySize>(info, 0, "key");
      key_ = crypto::SecretBytes::copy_of(bytes);
      crypto::secure_zero(bytes);
    }
    info.This().As<Napi::Object>().TypeTag(&ContentKey::kTag);
  });
}

const crypto::SecretBytes& ContentKey::key() const {
  if (key_.size() == 0) throw Error(ErrorKind::kAborted, "the key was destroyed");
  return key_;
}

ContentKey& ContentKey::from(Napi::Value value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&ContentKey::kTag)) {
    refuse_argument("key", "must be a ContentKey");
  }
  return *Unwrap(value.As<Napi::Object>());
}

Napi::Value ContentKey::locked(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), key_.locked());
}

Napi::Value ContentKey::wrap(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    if (!info[0].IsObject() || !info[0].As<Napi::Object>().CheckTypeTag(&RsaPublicKey::kTag)) {
      refuse_argument("publicKey", "must be an RsaPublicKey");
    }
    const auto block = RsaPublicKey::Unwrap(info[0].As<Napi::Object>())->key().wrap(key().bytes());
    return Napi::Buffer<std::uint8_t>::Copy(info.Env(), block.data(), block.size());
  });
}

Napi::Value ContentKey::seal(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    seal_message(key(), message_arguments(info));
    return info.Env().Undefined();
  });
}

Napi::Value ContentKey::seal_async(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return message_job(info, key(), seal_message); });
}

Napi::Value ContentKey::open(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    open_message(key(), message_arguments(info));
    return info.Env().Undefined();
  });
}

Napi::Value ContentKey::open_async(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return message_job(info, key(), open_message); });
}

Napi::Value ContentKey::seal_key(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const auto iv = fixed_bytes_argument<crypto::kGcmIvSize>(info, 0, "iv");
    const auto aad = bytes_argument(info, 1, "aad");
    const crypto::SecretBytes& inner = from(info[2]).key();
    auto sealed = Napi::Buffer<std::uint8_t>::New(info.Env(), inner.size() + crypto::kGcmTagSize);
    crypto::GcmSealer(key().bytes())
        .seal(iv, aad, inner.bytes(), sealed.Data(),
              std::span<std::uint8_t, crypto::kGcmTagSize>(sealed.Data() + inner.size(), crypto::kGcmTagSize));
    return sealed;
  });
}

Napi::Value ContentKey::open_key(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const auto iv = fixed_bytes_argument<crypto::kGcmIvSize>(info, 0, "iv");
    const auto aad = bytes_argument(info, 1, "aad");
    const auto tag = fixed_bytes_argument<crypto::kGcmTagSize>(info, 2, "tag");
    const auto sealed = fixed_bytes_argument<crypto::kGcmKeySize>(info, 3, "ciphertext");
    crypto::SecretBytes inner(crypto::kGcmKeySize);
    if (!crypto::GcmOpener(key().bytes()).open(iv, aad, sealed, tag, inner.bytes().data())) {
      throw Error(ErrorKind::kCrypto, "the authentication tag is wrong");
    }
    from(info[4]).key_ = std::move(inner);
    return info.Env().Undefined();
  });
}

Napi::Value ContentKey::destroy(const Napi::CallbackInfo& info) {
  key_.clear();
  return info.Env().Undefined();
}

}  // namespace cga::binding
