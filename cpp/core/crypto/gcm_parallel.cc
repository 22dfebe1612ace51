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
/// CTR and GHASH each go over this much in turn, so that the second finds it in the first-level cache.
constexpr std::size_t kStride = std::size_t{8} * 1024;

void require(int result) {
  if (result != 1) throw Error(ErrorKind::kCrypto, "libcrypto refused an AES operation");
}

CipherContext context_for(const EVP_CIPHER* cipher, std::span<const std::uint8_t> key, const std::uint8_t* iv) {
  CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr) throw std::bad_alloc();
  require(EVP_EncryptInit_ex2(context.get(), cipher, key.data(), iv, nullptr));
  return context;
}

/// The counter block of SP 800-38D section 7.1: IV || [counter]32. Data starts at 2, 1 is the tag's own.
Block counter_block(std::span<const std::uint8_t, kGcmIvSize> iv, std::uint32_t counter) {
  Block block{};
  std::copy(iv.begin(), iv.end(), block.begin());
  for (std::size_t i = 0; i < 4; ++i) block[12 + i] = static_cast<std::uint8_t>(counter >> (24 - 8 * i));
  return block;
}

/// GMAC under one key and IV: libcrypto's GHASH with its mask E(J0) taken off.
class Ghash {
 public:
  Ghash(std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv, Gf128 mask, Gf128 h)
      : context_(context_for(aes_256_gcm(), key, iv.data())), mask_(mask), h_(h) {}

  void update(std::span<const std::uint8_t> data) {
    int written = 0;
    for (std::size_t done = 0; done < data.size();) {
      const std::size_t count = std::min<std::size_t>(data.size() - done, std::size_t{1} << 30);
      require(EVP_EncryptUpdate(context_.get(), nullptr, &written, data.data() + done, static_cast<int>(count)));
      done += count;
    }
    size_ += data.size();
  }

  /// X·H, where X is the sum over the blocks of the data (padded to whole blocks) times the power of H of its place,
  /// counted from 1 for the last block.
  [[nodiscard]] Gf128 finish() {
    Block tag{};
    int written = 0;
    require(EVP_EncryptFinal_ex(context_.get(), tag.data(), &written));
    require(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag.data()));
    // tag = (X ^ lengths)·H ^ E(J0)
    return Gf128::from_bytes(tag) ^ mask_ ^ Gf128::lengths(size_ * 8, 0) * h_;
  }

 private:
  CipherContext context_;
  Gf128 mask_;
  Gf128 h_;
  std::uint64_t size_ = 0;
};

/// H = E(0) and E(J0), by CTR over one zero block each.
Gf128 encrypt_block(std::span<const std::uint8_t> key, const Block& block) {
  const CipherContext context = context_for(aes_256_ctr(), key, block.data());
  const Block zero{};
  Block result{};
  int written = 0;
  require(EVP_EncryptUpdate(context.get(), result.data(), &written, zero.data(), static_cast<int>(zero.size())));
  const Gf128 element = Gf128::from_bytes(result);
  secure_zero(result);
  return element;
}

/// Fresh memory costs one page fault for each 4 KiB, which is more than AES costs. Two megabytes at a time do not.
void want_huge_pages(std::uint8_t* output, std::size_t size) {
  constexpr std::uintptr_t kHuge = std::uintptr_t{2} << 20;
  const auto begin = (reinterpret_cast<std::uintptr_t>(output) + kHuge - 1) / kHuge * kHuge;
  const auto end = (reinterpret_cast<std::uintptr_t>(output) + size) / kHuge * kHuge;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

enum class Direction { kSeal, kOpen };

Block crypt(Direction direction, std::span<const std::uint8_t> key, std::span<const std::uint8_t, kGcmIvSize> iv,
            std::span<const std::uint8_t> aad, std::span<const std::uint8_t> input, std::uint8_t* output,
            std::size_t threads) {
  const Gf128 h = encrypt_block(key, Block{});
  const Gf128 mask = encrypt_block(key, counter_block(iv, 1));
  const std::size_t segments = (input.size() + kSegment - 1) / kSegment;
  std::vector<Gf128> hashes(segments);
  want_huge_pages(output, input.size());

  run_parallel(segments, threads, [&](std::size_t index) {
    const std::size_t begin = index * kSegment;
    const std::size_t end = std::min(begin + kSegment, input.size());
    const Block start = counter_block(iv, static_cast<std::uint32_t>(2 + begin / 16));
    const CipherContext ctr = context_for(aes_256_ctr(), key, start.data());
    Ghash ghash(key, iv, mask, h);
    int written = 0;
    for (std::size_t at = begin; at < end; at += kStride) {
      const std::size_t count = std::min(kStride, end - at);
      if (direction == Direction::kOpen) ghash.update(input.subspan(at, count));
      require(EVP_EncryptUpdate(ctr.get(), output + at, &written, input.data() + at, static_cast<int>(count)));
      if (direction == Direction::kSeal) ghash.update({output + at, count});
    }
    hashes[index] = ghash.finish();
  });

  // Horner's rule over the segments. All values are already times H, which the last step of GHASH wants anyway.
  Ghash aad_hash(key, iv, mask, h);
  aad_hash.update(aad);
  Gf128 sum = aad_hash.finish();
  const Gf128 full_step = power(h, kSegment / 16);
  for (std::size_t i = 0; i < segments; ++i) {
    const std::size_t size = std::min(kSegment, input.size() - i * kSegment);
    sum = sum * (size == kSegment ? full_step : power(h, (size + 15) / 16)) ^ hashes[i];
  }
  return (sum ^ Gf128::lengths(aad.size() * 8, input.size() * 8) * h ^ mask).to_bytes();
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
