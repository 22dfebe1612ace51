// One ECDSA verification as EVP does it, and nothing else: of the libcrypto that is in the addon, or of another one.
//
//   new EvpVerify(library, hash, spki, message, signature)   `library` is a path, or '' for the addon's own; DER
//     version                                                "OpenSSL 3.5.9 …"
//     verify(): boolean                                      digest and verification, the key parsed before
#include <dlfcn.h>
#include <napi.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<unsigned char>;

// Every function that is called, so that none is taken from another library than the one that was asked for.
#define EACH_FUNCTION(apply)                                                                       \
  apply(EVP_Digest) apply(EVP_MD_fetch) apply(EVP_PKEY_CTX_free) apply(EVP_PKEY_CTX_new_from_pkey) \
      apply(EVP_PKEY_verify) apply(EVP_PKEY_verify_init) apply(OpenSSL_version) apply(d2i_PUBKEY)

struct Libcrypto {
#define DECLARE(name) decltype(&::name) name = &::name;
  EACH_FUNCTION(DECLARE)
#undef DECLARE

  explicit Libcrypto(const std::string& path) {
    if (path.empty()) return;
    // By itself: Node exports functions of the same names. Never closed: its threads' ends are its own business.
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (library == nullptr) throw std::runtime_error(dlerror());
#define FIND(name)                                                \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
  if (name == nullptr) throw std::runtime_error(path + " lacks " #name);
    EACH_FUNCTION(FIND)
#undef FIND
  }
};

class EvpVerify final : public Napi::ObjectWrap<EvpVerify> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "EvpVerify",
        {InstanceAccessor<&EvpVerify::version>("version"), InstanceMethod<&EvpVerify::verify>("verify")});
  }

  explicit EvpVerify(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<EvpVerify>(info),
        libcrypto_(text(info[0])),
        hash_(libcrypto_.EVP_MD_fetch(nullptr, text(info[1]).c_str(), nullptr)),
        message_(bytes(info[3])),
        signature_(bytes(info[4])) {
    const Bytes spki = bytes(info[2]);
    const unsigned char* in = spki.data();
    key_ = libcrypto_.d2i_PUBKEY(nullptr, &in, static_cast<long>(spki.size()));
    if (hash_ == nullptr || key_ == nullptr) throw Napi::Error::New(info.Env(), "libcrypto refused");
  }

 private:
  static std::string text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }
  static Bytes bytes(const Napi::Value& value) {
    const auto array = value.As<Napi::Uint8Array>();
    return {array.Data(), array.Data() + array.ByteLength()};
  }

  Napi::Value version(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), libcrypto_.OpenSSL_version(OPENSSL_VERSION));
  }

  Napi::Value verify(const Napi::CallbackInfo& info) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
    unsigned size = 0;
    EVP_PKEY_CTX* const context = libcrypto_.EVP_PKEY_CTX_new_from_pkey(nullptr, key_, nullptr);
    const bool valid =
        libcrypto_.EVP_Digest(message_.data(), message_.size(), digest.data(), &size, hash_, nullptr) == 1 &&
        libcrypto_.EVP_PKEY_verify_init(context) == 1 &&
        libcrypto_.EVP_PKEY_verify(context, signature_.data(), signature_.size(), digest.data(), size) == 1;
    libcrypto_.EVP_PKEY_CTX_free(context);
    return Napi::Boolean::New(info.Env(), valid);
  }

  const Libcrypto libcrypto_;
  const EVP_MD* hash_;
  const Bytes message_;
  const Bytes signature_;
  EVP_PKEY* key_;
};

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports.Set("EvpVerify", EvpVerify::define(env));
  return exports;
}

NODE_API_MODULE(evp_verify, start)

}  // namespace
