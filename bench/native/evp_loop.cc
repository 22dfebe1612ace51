// AES-256-GCM as fast as libcrypto's EVP does it: one keyed context a thread, one call a message, nothing else. A
// module for Node, so that it works on the very memory that the library works on: how the host backs a page makes a
// difference of some per cent.
//
//   new EvpLoop(key)
//     seal(iv, aad, input, output): tag      on the calling thread
//     open(iv, aad, tag, input, output)      the same; throws when the tag is wrong
//     halves(seal, input, output)            two threads at once, half of the input each: what two cores can do
//     chunks(input, output, total)           `total` bytes in chunks of 16 KiB into one reused buffer, a nonce and a
//     tag each
#include <napi.h>
#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <span>
#include <thread>

namespace {

using Bytes = std::span<unsigned char>;
using Nonce = std::array<unsigned char, 12>;
using Tag = std::array<unsigned char, 16>;

constexpr std::size_t kChunk = std::size_t{16} * 1024;

void require(int ok) {
  if (ok != 1) throw std::runtime_error("libcrypto refused");
}

Bytes bytes(const Napi::Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

/// One direction of one key.
class Keyed {
 public:
  Keyed(Bytes key, int encrypt) {
    require(EVP_CipherInit_ex2(context_, EVP_aes_256_gcm(), key.data(), nullptr, encrypt, nullptr));
  }
  ~Keyed() { EVP_CIPHER_CTX_free(context_); }
  Keyed(const Keyed&) = delete;
  Keyed& operator=(const Keyed&) = delete;

  void update(const unsigned char* iv, Bytes aad, Bytes input, unsigned char* output) {
    int written = 0;
    require(EVP_CipherInit_ex2(context_, nullptr, nullptr, iv, -1, nullptr));
    if (!aad.empty()) require(EVP_CipherUpdate(context_, nullptr, &written, aad.data(), static_cast<int>(aad.size())));
    require(EVP_CipherUpdate(context_, output, &written, input.data(), static_cast<int>(input.size())));
  }

  void tag_to(unsigned char* tag) {
    int written = 0;
    require(EVP_CipherFinal_ex(context_, tag, &written));
    require(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(Tag{}.size()), tag));
  }

  void check(Bytes tag) {
    Tag rest;
    int written = 0;
    require(EVP_CIPHER_CTX_ctrl(context_, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()));
    require(EVP_CipherFinal_ex(context_, rest.data(), &written));
  }

 private:
  EVP_CIPHER_CTX* context_ = EVP_CIPHER_CTX_new();
};

class EvpLoop final : public Napi::ObjectWrap<EvpLoop> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "EvpLoop",
                       {
                           InstanceMethod<&EvpLoop::seal>("seal"),
                           InstanceMethod<&EvpLoop::open>("open"),
                           InstanceMethod<&EvpLoop::halves>("halves"),
                           InstanceMethod<&EvpLoop::chunks>("chunks"),
                       });
  }

  explicit EvpLoop(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EvpLoop>(info),
        sealers_{Keyed(bytes(info[0]), 1), Keyed(bytes(info[0]), 1)},
        openers_{Keyed(bytes(info[0]), 0), Keyed(bytes(info[0]), 0)} {}

 private:
  Napi::Value seal(const Napi::CallbackInfo& info) {
    sealers_[0].update(bytes(info[0]).data(), bytes(info[1]), bytes(info[2]), bytes(info[3]).data());
    Tag tag;
    sealers_[0].tag_to(tag.data());
    return Napi::Buffer<unsigned char>::Copy(info.Env(), tag.data(), tag.size());
  }

  Napi::Value open(const Napi::CallbackInfo& info) {
    openers_[0].update(bytes(info[0]).data(), bytes(info[1]), bytes(info[3]), bytes(info[4]).data());
    openers_[0].check(bytes(info[2]));
    return info.Env().Undefined();
  }

  Napi::Value halves(const Napi::CallbackInfo& info) {
    auto& keyed = info[0].ToBoolean() ? sealers_ : openers_;
    const Bytes input = bytes(info[1]);
    unsigned char* const output = bytes(info[2]).data();
    const std::size_t half = input.size() / 2;
    const Nonce nonce{};
    std::jthread second([&] { keyed[1].update(nonce.data(), {}, input.subspan(half), output + half); });
    keyed[0].update(nonce.data(), {}, input.first(half), output);
    return info.Env().Undefined();
  }

  Napi::Value chunks(const Napi::CallbackInfo& info) {
    const Bytes input = bytes(info[0]);
    const Bytes output = bytes(info[1]);
    const auto total = static_cast<std::size_t>(info[2].As<Napi::Number>().Int64Value());
    Nonce nonce{};
    for (std::size_t done = 0; done < total; done += kChunk) {
      for (std::size_t i = nonce.size(); i-- > 0 && ++nonce[i] == 0;) {
      }
      sealers_[0].update(nonce.data(), {}, input.subspan(done % input.size(), kChunk), output.data());
      sealers_[0].tag_to(output.data() + kChunk);
    }
    return info.Env().Undefined();
  }

  std::array<Keyed, 2> sealers_;
  std::array<Keyed, 2> openers_;
};

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports.Set("EvpLoop", EvpLoop::define(env));
  return exports;
}

NODE_API_MODULE(evp_loop, start)

}  // namespace
