#include "core/signature/hash.h"

#include <string>

#include "core/error.h"

namespace cga::signature {
namespace {

constexpr std::array<const char*, 4> kNames{"SHA-1", "SHA-256", "SHA-384", "SHA-512"};

const EVP_MD* fetch(Hash hash) {
  // libcrypto knows "SHA-1" and "SHA2-256" besides its own names.
  constexpr std::array<const char*, 4> kLibcryptoNames{"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};
  const EVP_MD* function = EVP_MD_fetch(nullptr, kLibcryptoNames[static_cast<std::size_t>(hash)], nullptr);
  if (function == nullptr) throw Error(ErrorKind::kInternal, "libcrypto lacks a SHA function");
  return function;
}

}  // namespace

const EVP_MD* algorithm(Hash hash) {
  static const std::array<const EVP_MD*, 4> functions{fetch(Hash::kSha1), fetch(Hash::kSha256), fetch(Hash::kSha384),
                                                      fetch(Hash::kSha512)};
  return functions[static_cast<std::size_t>(hash)];
}

Hash hash_named(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Hash>(i);
  }
  throw Error(ErrorKind::kInvalidArgument, "hash is not one of SHA-1, SHA-256, SHA-384 and SHA-512");
}

Digest::Digest(Hash hash, ByteView data) {
  if (EVP_Digest(data.data(), data.size(), bytes_.data(), &size_, algorithm(hash), nullptr) != 1) {
    throw Error(ErrorKind::kCrypto, "a digest could not be computed");
  }
}

}  // namespace cga::signature
