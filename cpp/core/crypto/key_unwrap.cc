#include "core/crypto/key_unwrap.h"

#include <openssl/err.h>

#include "core/crypto/gcm.h"
#include "core/crypto/registers.h"
#include "core/error.h"
#include "core/openssl_owners.h"

namespace cga::crypto {
namespace {

constexpr std::size_t kSemiblock = 8;

const EVP_CIPHER* aes_256_wrap_pad() {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-WRAP-PAD", nullptr);
  if (cipher == nullptr) throw Error(ErrorKind::kInternal, "libcrypto has no AES-256-WRAP-PAD");
  return cipher;
}

}  // namespace

SecretBytes unwrap_with_padding(const SecretBytes& key, ByteView wrapped) {
  if (key.size() != kGcmKeySize) throw Error(ErrorKind::kInvalidArgument, "an AES-256 key has 32 bytes");
  const bool possible =
      wrapped.size() >= 2 * kSemiblock && wrapped.size() <= kMaximumWrapped && wrapped.size() % kSemiblock == 0;
  SecretBytes plain(possible ? wrapped.size() : 0);
  int written = 0;
  bool good = false;
  if (possible) {
    const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
    if (!context) throw std::bad_alloc();
    EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    good = EVP_DecryptInit_ex2(context.get(), aes_256_wrap_pad(), key.bytes().data(), nullptr, nullptr) == 1 &&
           EVP_DecryptUpdate(context.get(), plain.bytes().data(), &written, wrapped.data(),
                             static_cast<int>(wrapped.size())) == 1;
    ERR_clear_error();
  }
  clear_vector_registers();
  if (!good || written <= 0) throw Error(ErrorKind::kCrypto, "the key was not wrapped with this key");
  return SecretBytes::copy_of(plain.bytes().first(static_cast<std::size_t>(written)));
}

}  // namespace cga::crypto
