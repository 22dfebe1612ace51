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
//     freshChunks(input, total, threads)     the same into memory that is new for each input, which one or two threads
//     share: what a stream that gives its reader memory to keep can reach. Slabs of four inputs on huge pages, given
//     back when the next one is begun
#include <napi.h>
#include <openssl/evp.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
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

/// Memory on huge pages that nobody has touched yet.
class Slab {
 public:
  explicit Slab(std::size_t size)
      : size_(size + kHugePage),
        mapped_(static_cast<unsigned char*>(
            mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    if (mapped_ == MAP_FAILED) throw std::bad_alloc();
    madvise(data(), size, MADV_HUGEPAGE);
  }
  ~Slab() { munmap(mapped_, size_); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  [[nodiscard]] unsigned char* data() const {
    const auto address = reinterpret_cast<std::uintptr_t>(mapped_);
    return mapped_ + (kHugePage - address % kHugePage) % kHugePage;
  }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  std::size_t size_;
  unsigned char* mapped_;
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
                           InstanceMethod<&EvpLoop::fresh_chunks>("freshChunks"),
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

  /// Chunks of `input`, from one number to another, where they belong in `output`.
  static void seal_chunks(Keyed& keyed, Bytes input, unsigned char* output, std::size_t from, std::size_t to) {
    Nonce nonce{};
    for (std::size_t i = from; i < to; ++i) {
      nonce[0] = static_cast<unsigned char>(i);
      unsigned char* const sealed = output + i * (kChunk + Tag{}.size());
      keyed.update(nonce.data(), {}, input.subspan(i * kChunk, kChunk), sealed);
      keyed.tag_to(sealed + kChunk);
    }
  }

  Napi::Value fresh_chunks(const Napi::CallbackInfo& info) {
    const Bytes input = bytes(info[0]);
    const auto rounds = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value()) / input.size();
    const bool two = info[2].As<Napi::Number>().Int32Value() == 2;
    const std::size_t chunks = input.size() / kChunk;
    const std::size_t first = two ? chunks / 2 : chunks;
    constexpr std::size_t kInputsOfSlab = 4;
    const std::size_t sealed = chunks * (kChunk + Tag{}.size());
    std::optional<Slab> slab;
    std::atomic<unsigned char*> output{nullptr};
    std::atomic<std::size_t> given{0};
    std::atomic<std::size_t> done{0};
    std::jthread second;
    if (two) {
      second = std::jthread([&] {
        for (std::size_t round = 1; round <= rounds; ++round) {
          while (given != round) std::this_thread::yield();
          seal_chunks(sealers_[1], input, output, first, chunks);
          done = round;
        }
      });
    }
    for (std::size_t round = 1; round <= rounds; ++round) {
      const std::size_t place = (round - 1) % kInputsOfSlab;
      if (place == 0) slab.emplace(kInputsOfSlab * sealed);
      output = slab->data() + place * sealed;
      given = round;
      seal_chunks(sealers_[0], input, output, 0, first);
      while (two && done != round) std::this_thread::yield();
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
