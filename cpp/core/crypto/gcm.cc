#include "core/crypto/gcm.h"

#include <algorithm>

#include "core/crypto/registers.h"
#include "core/crypto/secret.h"
#include "core/error.h"

namespace cga::crypto {
namespace {

/// EVP takes lengths as int. A multiple of the block size keeps the bulk in libcrypto's fused loop.
constexpr std::size_t kLargestUpdate = std::size_t{1} << 30;

const EVP_CIPHER* fetch(const char* name) {
  const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  if (cipher == nullptr) throw Error(ErrorKind::kInternal, std::string("libcrypto has no ") + name);
  return cipher;
}

void require(int result) {
  if (result != 1) throw Error(ErrorKind::kCrypto, "libcrypto refused an AES-256-GCM operation");
}

Owned<EVP_CIPHER_CTX> keyed_context(ByteView key, int encrypt) {
  if (key.size() != kGcmKeySize) throw Error(ErrorKind::kInvalidArgument, "an AES-256 key has 32 bytes");
  Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  if (context == nullptr) throw std::bad_alloc();
  require(EVP_CipherInit_ex2(context.get(), aes_256_gcm(), key.data(), nullptr, encrypt, nullptr));
  clear_vector_registers();
  return context;
}

void update(EVP_CIPHER_CTX* context, ByteView input, std::uint8_t* output) {
  int written = 0;
  for (std::size_t done = 0; done < input.size();) {
    const std::size_t count = std::min(input.size() - done, kLargestUpdate);
    require(EVP_CipherUpdate(context, output == nullptr ? nullptr : output + done, &written, input.data() + done,
                             static_cast<int>(count)));
    done += count;
  }
}

/// Up to 16 blocks the kernels for AVX-512 load the powers of the hash key as they need them; above, they set them out
/// on the stack. Zeroing that for every small message would cost as much as the message.
constexpr std::size_t kNothingOnTheStack = 256;

class TracesOf {
 public:
  explicit TracesOf(std::size_t size) : size_(size) {}
  TracesOf(const TracesOf&) = delete;
  TracesOf& operator=(const TracesOf&) = delete;
  ~TracesOf() {
    if (size_ > kNothingOnTheStack) {
      clear_traces();
    } else {
      clear_vector_registers();
    }
  }

 private:
  std::size_t size_;
};

}  // namespace

const EVP_CIPHER* aes_256_gcm() {
  static const EVP_CIPHER* const cipher = fetch("AES-256-GCM");
  return cipher;
}

const EVP_CIPHER* aes_256_ctr() {
  static const EVP_CIPHER* const cipher = fetch("AES-256-CTR");
  return cipher;
}

void check_gcm_length(std::size_t length) {
  if (length > kGcmMaxPlaintext) throw Error(ErrorKind::kInvalidArgument, "AES-GCM takes at most 2^36 - 32 bytes");
}

GcmSealer::GcmSealer(ByteView key) : context_(keyed_context(key, 1)) {}

void GcmSealer::seal(std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input, std::uint8_t* output,
                     std::span<std::uint8_t, kGcmTagSize> tag) {
  check_gcm_length(input.size());
  const TracesOf message(std::max(aad.size(), input.size()));
  EVP_CIPHER_CTX* const context = context_.get();
  require(EVP_EncryptInit_ex2(context, nullptr, nullptr, iv.data(), nullptr));
  update(context, aad, nullptr);
  update(context, input, output);
  int written = 0;
  require(EVP_EncryptFinal_ex(context, tag.data(), &written));
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag.data()));
}

GcmOpener::GcmOpener(ByteView key) : context_(keyed_context(key, 0)) {}

bool GcmOpener::open(std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input,
                     std::span<const std::uint8_t, kGcmTagSize> tag, std::uint8_t* output) {
  check_gcm_length(input.size());
  const TracesOf message(std::max(aad.size(), input.size()));
  EVP_CIPHER_CTX* const context = context_.get();
  require(EVP_DecryptInit_ex2(context, nullptr, nullptr, iv.data(), nullptr));
  update(context, aad, nullptr);
  update(context, input, output);
  std::uint8_t expected[kGcmTagSize];
  std::copy(tag.begin(), tag.end(), expected);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kGcmTagSize, expected));
  int written = 0;
  std::uint8_t nothing[kGcmTagSize];
  if (EVP_DecryptFinal_ex(context, nothing, &written) == 1) return true;
  secure_zero({output, input.size()});
  return false;
}

}  // namespace cga::crypto
