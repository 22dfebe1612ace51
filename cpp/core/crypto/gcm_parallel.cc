#include "core/crypto/gcm_parallel.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/crypto/gf128.h"
#include "core/crypto/secret.h"
#include "core/crypto/worker_pool.h"
#include "core/error.h"

namespace cga {
namespace {

using Block = std::array<std::uint8_t, 16>;

/// What one thread takes at a time. Small enough that two threads end together, large enough that its set-up vanishes.
constexpr std::size_t kSegment = std::size_t{512} * 1024;
/// The IV length whose counter block is a GHASH of one block and the length.
constexpr int kSolvedIvSize = 16;

void require(int result) {
  if (result != 1) throw Error(ErrorKind::kCrypto, "libcrypto refused an AES operation");
}

/// The counter block of SP 800-38D section 7.1: IV || [counter]32. Data starts at 2, 1 is the tag's own.
Block counter_block(std::span<const std::uint8_t, kGcmIvSize> iv, std::uint32_t counter) {
  Block block{};
  std::copy(iv.begin(), iv.end(), block.begin());
  for (std::size_t i = 0; i < 4; ++i) block[12 + i] = static_cast<std::uint8_t>(counter >> (24 - 8 * i));
  return block;
}

/// H, its powers and partial hashes are as good as half a key: with H anybody forges tags.
void cleanse(std::span<Gf128> elements) noexcept {
  secure_zero({reinterpret_cast<std::uint8_t*>(elements.data()), elements.size_bytes()});
}

/// A hash for each segment.
class Hashes {
 public:
  explicit Hashes(std::size_t count) : elements_(count) {}
  ~Hashes() { cleanse(elements_); }
  Hashes(const Hashes&) = delete;
  Hashes& operator=(const Hashes&) = delete;
  [[nodiscard]] Gf128& operator[](std::size_t index) noexcept { return elements_[index]; }

 private:
  std::vector<Gf128> elements_;
};

/// E(block) under the key, by CTR over one zero block.
Gf128 encrypt_block(std::span<const std::uint8_t> key, const Block& block) {
  const CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr) throw std::bad_alloc();
  const Block zero{};
  Block result{};
  int written = 0;
  require(EVP_EncryptInit_ex2(context.get(), aes_256_ctr(), key.data(), block.data(), nullptr));
  require(EVP_EncryptUpdate(context.get(), result.data(), &written, zero.data(), static_cast<int>(zero.size())));
  const Gf128 element = Gf128::from_bytes(result);
  secure_zero(result);
  return element;
}

enum class Direction { kOpen = 0, kSeal = 1 };

/// Runs parts of one message as messages of their own, and takes their tags apart.
class Segments {
 public:
  Segments(std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv)
      : key_(key),
        iv_(iv),
        h_(encrypt_block(key, Block{})),
        mask_(encrypt_block(key, counter_block(iv, 1))),
        inverse_of_h_squared_(inverse(h_ * h_)) {}
  ~Segments() {
    for (Gf128* element : {&h_, &mask_, &inverse_of_h_squared_}) cleanse({element, 1});
  }
  Segments(const Segments&) = delete;
  Segments& operator=(const Segments&) = delete;

  /// Encrypts or decrypts what lies `offset` bytes into the message, and returns X·H: X is the sum over the blocks of
  /// the ciphertext (or of `aad`), each times the power of H of its place, counted from 1 for the last one.
  [[nodiscard]] Gf128 run(Direction direction, std::size_t offset, std::span<const std::uint8_t> aad,
                          std::span<const std::uint8_t> input, std::uint8_t* output) const {
    const CipherContext context(EVP_CIPHER_CTX_new());
    if (context == nullptr) throw std::bad_alloc();
    EVP_CIPHER_CTX* const evp = context.get();
    const int encrypt = static_cast<int>(direction);
    const Block start = counter_block(iv_, static_cast<std::uint32_t>(1 + offset / 16));
    const Block solved =
        ((Gf128::from_bytes(start) ^ Gf128::lengths(0, kSolvedIvSize * 8) * h_) * inverse_of_h_squared_).to_bytes();
    require(EVP_CipherInit_ex2(evp, aes_256_gcm(), nullptr, nullptr, encrypt, nullptr));
    require(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_IVLEN, kSolvedIvSize, nullptr));
    require(EVP_CipherInit_ex2(evp, nullptr, key_.data(), solved.data(), encrypt, nullptr));
    int written = 0;
    require(EVP_CipherUpdate(evp, nullptr, &written, aad.data(), static_cast<int>(aad.size())));
    require(EVP_CipherUpdate(evp, output, &written, input.data(), static_cast<int>(input.size())));
    // libcrypto tells its tag only when it encrypts, so a decrypting context is turned round once the data is through.
    // If it did not allow that, no message would open.
    require(EVP_CipherInit_ex2(evp, nullptr, nullptr, nullptr, 1, nullptr));
    Block tag{};
    require(EVP_EncryptFinal_ex(evp, tag.data(), &written));
    require(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag.data()));
    // tag = (X ^ lengths)·H ^ E(start)
    const Gf128 own_mask = offset == 0 ? mask_ : encrypt_block(key_, start);
    return Gf128::from_bytes(tag) ^ own_mask ^ Gf128::lengths(aad.size() * 8, input.size() * 8) * h_;
  }

  [[nodiscard]] Gf128 h() const noexcept { return h_; }
  /// E(J0), which hides the tag.
  [[nodiscard]] Gf128 mask() const noexcept { return mask_; }

 private:
  std::span<const std::uint8_t> key_;
  std::span<const std::uint8_t, kGcmIvSize> iv_;
  Gf128 h_;
  Gf128 mask_;
  Gf128 inverse_of_h_squared_;
};

/// Fresh memory costs one page fault for each 4 KiB, which is more than AES costs. Two megabytes at a time do not.
void want_huge_pages(std::uint8_t* output, std::size_t size) {
  constexpr std::uintptr_t kHuge = std::uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(output) + kHuge - 1) / kHuge * kHuge;
  const auto end = (reinterpret_cast<std::uintptr_t>(output) + size) / kHuge * kHuge;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

Block crypt(Direction direction, std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv,
            std::span<const std::uint8_t> aad, std::span<const std::uint8_t> input, std::uint8_t* output,
            std::size_t threads) {
  const Segments parts(key, iv);
  const std::size_t segments = (input.size() + kSegment - 1) / kSegment;
  Hashes hashes(segments);
  want_huge_pages(output, input.size());
  run_parallel(segments, threads, [&](std::size_t index) {
    const std::size_t begin = index * kSegment;
    const std::size_t size = std::min(kSegment, input.size() - begin);
    hashes[index] = parts.run(direction, begin, index == 0 ? aad : std::span<const std::uint8_t>{},
                              input.subspan(begin, size), output + begin);
  });

  // Horner's rule over the segments. All values are already times H, which the last step of GHASH wants anyway.
  Gf128 sum;
  Gf128 full_step = power(parts.h(), kSegment / 16);
  for (std::size_t i = 0; i < segments; ++i) {
    const std::size_t size = std::min(kSegment, input.size() - i * kSegment);
    sum = sum * (size == kSegment ? full_step : power(parts.h(), (size + 15) / 16)) ^ hashes[i];
  }
  const Block tag = (sum ^ Gf128::lengths(aad.size() * 8, input.size() * 8) * parts.h() ^ parts.mask()).to_bytes();
  for (Gf128* element : {&sum, &full_step}) cleanse({element, 1});
  return tag;
}

}  // namespace

void seal_parallel(std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv,
                   std::span<const std::uint8_t> aad, std::span<const std::uint8_t> input, std::uint8_t* output,
                   std::span<std::uint8_t, kGcmTagSize> tag, std::size_t threads) {
  check_gcm_length(input.size());
  if (threads <= 1 || input.size() < kParallelFrom) {
    if (input.size() >= kParallelFrom) want_huge_pages(output, input.size());
    GcmSealer(key).seal(iv, aad, input, output, tag);
    return;
  }
  const Block computed = crypt(Direction::kSeal, key, iv, aad, input, output, threads);
  std::copy(computed.begin(), computed.end(), tag.begin());
}

bool open_parallel(std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv,
                   std::span<const std::uint8_t> aad, std::span<const std::uint8_t> input,
                   std::span<const std::uint8_t, kGcmTagSize> tag, std::uint8_t* output, std::size_t threads) {
  check_gcm_length(input.size());
  if (threads <= 1 || input.size() < kParallelFrom) {
    if (input.size() >= kParallelFrom) want_huge_pages(output, input.size());
    return GcmOpener(key).open(iv, aad, input, tag, output);
  }
  bool genuine = false;
  try {
    genuine = constant_time_equal(crypt(Direction::kOpen, key, iv, aad, input, output, threads), tag);
  } catch (...) {
    secure_zero({output, input.size()});
    throw;
  }
  if (!genuine) secure_zero({output, input.size()});
  return genuine;
}

}  // namespace cga
