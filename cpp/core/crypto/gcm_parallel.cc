#include "core/crypto/gcm_parallel.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "core/crypto/gf128.h"
#include "core/crypto/huge_pages.h"
#include "core/crypto/registers.h"
#include "core/crypto/secret.h"
#include "core/crypto/work_ranges.h"
#include "core/crypto/worker_pool.h"
#include "core/error.h"

namespace cga::crypto {
namespace {

using Block = std::array<std::uint8_t, 16>;

/// What a thread takes at a time, some 22 µs: no thread waits for longer than that at the end. A multiple of 96 bytes,
/// which libcrypto's fused loop takes at once, and of a page.
constexpr std::size_t kGrain = std::size_t{96} * 1024;
/// After so much work, some 100 µs, a thread lets others of the process go first: with all cores at work the kernel
/// would have an event loop that wakes up wait until its next tick, 4 ms.
constexpr std::size_t kGrainsATurn = 8;
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

/// E(block) under the key, by CTR over one zero block.
Gf128 encrypt_block(ByteView key, const Block& block) {
  const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
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

/// What the parts of one message have in common.
struct Message {
  Message(Direction way, ByteView secret, std::span<const std::uint8_t, kGcmIvSize> nonce)
      : direction(way),
        key(secret),
        iv(nonce),
        h(encrypt_block(secret, Block{})),
        mask(encrypt_block(secret, counter_block(nonce, 1))),
        inverse_of_h_squared(inverse(square(h))) {}
  ~Message() {
    for (Gf128* element : {&h, &mask, &inverse_of_h_squared}) cleanse({element, 1});
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  Direction direction;
  ByteView key;
  std::span<const std::uint8_t, kGcmIvSize> iv;
  Gf128 h;
  Gf128 mask;  ///< E(J0), which hides the tag
  Gf128 inverse_of_h_squared;
};

/// A part of one message, as a message of its own to libcrypto, whose tag it takes apart.
class Part {
 public:
  /// `begin` bytes into the message, a multiple of 16.
  Part(const Message& message, std::size_t begin, ByteView aad)
      : message_(message), begin_(begin), aad_size_(aad.size()), context_(EVP_CIPHER_CTX_new()) {
    if (context_ == nullptr) throw std::bad_alloc();
    const Block solved =
        ((Gf128::from_bytes(start()) ^ Gf128::lengths(0, kSolvedIvSize * 8) * message.h) * message.inverse_of_h_squared)
            .to_bytes();
    const int encrypt = static_cast<int>(message.direction);
    EVP_CIPHER_CTX* const evp = context_.get();
    require(EVP_CipherInit_ex2(evp, aes_256_gcm(), nullptr, nullptr, encrypt, nullptr));
    require(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_IVLEN, kSolvedIvSize, nullptr));
    require(EVP_CipherInit_ex2(evp, nullptr, message.key.data(), solved.data(), encrypt, nullptr));
    int written = 0;
    require(EVP_CipherUpdate(evp, nullptr, &written, aad.data(), static_cast<int>(aad.size())));
  }

  /// Encrypts or decrypts what follows; all but the last of the message are multiples of 16 bytes.
  void update(ByteView input, std::uint8_t* output) {
    int written = 0;
    require(EVP_CipherUpdate(context_.get(), output, &written, input.data(), static_cast<int>(input.size())));
    size_ += input.size();
  }

  /// X·H: X is the sum over the blocks of the ciphertext (and of the AAD), each times the power of H of its place,
  /// counted from 1 for the last one. Nothing follows.
  [[nodiscard]] Gf128 hash() {
    EVP_CIPHER_CTX* const evp = context_.get();
    // libcrypto tells its tag only when it encrypts, so a decrypting context is turned round once the data is through.
    // If it did not allow that, no message would open.
    require(EVP_CipherInit_ex2(evp, nullptr, nullptr, nullptr, 1, nullptr));
    Block tag{};
    int written = 0;
    require(EVP_EncryptFinal_ex(evp, tag.data(), &written));
    require(EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, kGcmTagSize, tag.data()));
    // tag = (X ^ lengths)·H ^ E(start)
    const Gf128 own_mask = begin_ == 0 ? message_.mask : encrypt_block(message_.key, start());
    return Gf128::from_bytes(tag) ^ own_mask ^ Gf128::lengths(aad_size_ * 8, size_ * 8) * message_.h;
  }

  [[nodiscard]] std::size_t begin() const noexcept { return begin_; }
  [[nodiscard]] std::size_t end() const noexcept { return begin_ + size_; }

 private:
  [[nodiscard]] Block start() const { return counter_block(message_.iv, static_cast<std::uint32_t>(1 + begin_ / 16)); }

  const Message& message_;
  std::size_t begin_;
  std::size_t aad_size_;
  std::size_t size_ = 0;
  Owned<EVP_CIPHER_CTX> context_;
};

/// Collects the hashes of the parts, in whatever order they end.
class Hashes {
 public:
  Hashes() = default;
  ~Hashes() {
    for (auto& [begin, part] : parts_) cleanse({&part.hash, 1});
  }
  Hashes(const Hashes&) = delete;
  Hashes& operator=(const Hashes&) = delete;

  void add(Part& part) {
    Gf128 hash = part.hash();
    {
      const std::lock_guard lock(mutex_);
      parts_.try_emplace(part.begin(), part.end(), hash);
    }
    cleanse({&hash, 1});
  }

  /// X·H of the whole, by Horner's rule. All values are already times H, which the last step of GHASH wants anyway.
  [[nodiscard]] Gf128 join(Gf128 h) const {
    Gf128 sum;
    for (const auto& [begin, part] : parts_) {
      Gf128 step = power(h, (part.end - begin + 15) / 16);
      sum = sum * step ^ part.hash;
      cleanse({&step, 1});
    }
    return sum;
  }

 private:
  struct Hashed {
    Hashed(std::size_t behind, Gf128 value) : end(behind), hash(value) {}
    std::size_t end;
    Gf128 hash;
  };
  std::mutex mutex_;
  std::map<std::size_t, Hashed> parts_;  // by their begin
};

/// What one thread does of a message.
struct Work {
  const Message& message;
  ByteView aad;
  ByteView input;
  std::uint8_t* output;
  WorkRanges& ranges;
  Hashes& hashes;
};

// Not inlined: what a compiler puts of H into the frame of a function lies above all that TracesCleared in the same
// function clears, and below it in the function that calls it (seen with GCC 14).
[[gnu::noinline]] void crypt_grains(const Work& work, std::size_t worker) {
  std::optional<Part> part;
  std::size_t grains_done = 0;
  while (const auto grain = work.ranges.next(worker)) {
    call_helpers_again();
    if (++grains_done % kGrainsATurn == 0) std::this_thread::yield();
    const std::size_t begin = *grain * kGrain;
    if (!part || part->end() != begin) {
      if (part) work.hashes.add(*part);
      part.emplace(work.message, begin, begin == 0 ? work.aad : ByteView{});
    }
    part->update(work.input.subspan(begin, std::min(kGrain, work.input.size() - begin)), work.output + begin);
  }
  if (part) work.hashes.add(*part);
}

[[gnu::noinline]] Block crypt_message(const Message& message, ByteView aad, ByteView input, std::uint8_t* output,
                                      std::size_t threads) {
  const std::size_t grains = (input.size() + kGrain - 1) / kGrain;
  const std::size_t workers = std::min({threads, available_cores(), grains});
  WorkRanges ranges(grains, workers);
  Hashes hashes;
  const Work work{message, aad, input, output, ranges, hashes};
  run_parallel(workers, threads, [&work](std::size_t worker) {
    const TracesCleared helper;
    crypt_grains(work, worker);
  });
  Gf128 sum = hashes.join(message.h) ^ Gf128::lengths(aad.size() * 8, input.size() * 8) * message.h;
  const Block tag = (sum ^ message.mask).to_bytes();
  cleanse({&sum, 1});
  return tag;
}

[[gnu::noinline]] Block crypt_with(Direction direction, ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv,
                                   ByteView aad, ByteView input, std::uint8_t* output, std::size_t threads) {
  const Message message(direction, key, iv);
  return crypt_message(message, aad, input, output, threads);
}

Block crypt(Direction direction, ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad,
            ByteView input, std::uint8_t* output, std::size_t threads) {
  want_huge_pages({output, input.size()});
  const TracesCleared caller;
  return crypt_with(direction, key, iv, aad, input, output, threads);
}

/// Whether messages in parts come out as whole ones do. Turned off by self_test_parallel().
std::atomic<bool> in_parts{true};

/// A message in three parts, on this thread.
Block crypt_in_three(const Message& message, ByteView aad, ByteView input, std::uint8_t* output) {
  Hashes hashes;
  const std::size_t third = input.size() / 3 / 16 * 16;
  for (const auto& [begin, size] :
       {std::pair{std::size_t{0}, third}, {third, third}, {2 * third, input.size() - 2 * third}}) {
    Part part(message, begin, begin == 0 ? aad : ByteView{});
    part.update(input.subspan(begin, size), output + begin);
    hashes.add(part);
  }
  const Gf128 sum = hashes.join(message.h) ^ Gf128::lengths(aad.size() * 8, input.size() * 8) * message.h;
  return (sum ^ message.mask).to_bytes();
}

bool agrees(std::size_t size, const WholeSeal& whole) {
  constexpr std::array<std::uint8_t, kGcmKeySize> kKey{1, 2, 3, 4, 5};
  constexpr std::array<std::uint8_t, kGcmIvSize> kIv{6, 7, 8, 9};
  constexpr std::array<std::uint8_t, 21> kAad{10, 11};
  std::vector<std::uint8_t> plain(size);
  for (std::size_t i = 0; i < size; ++i) plain[i] = static_cast<std::uint8_t>(i * 31 + 7);
  std::vector<std::uint8_t> expected(size);
  std::array<std::uint8_t, kGcmTagSize> tag{};
  whole(kKey, kIv, kAad, plain, expected.data(), tag);
  std::vector<std::uint8_t> sealed(size);
  std::vector<std::uint8_t> opened(size);
  const Block seal_tag = crypt_in_three(Message(Direction::kSeal, kKey, kIv), kAad, plain, sealed.data());
  const Block open_tag = crypt_in_three(Message(Direction::kOpen, kKey, kIv), kAad, expected, opened.data());
  return sealed == expected && opened == plain && seal_tag == tag && open_tag == tag;
}

}  // namespace

bool self_test_parallel(const WholeSeal& whole) {
  // Parts below and above what each of libcrypto's kernels takes at once: single blocks, 6 (AES-NI), 16 and 48
  // (AVX-512).
  constexpr std::array<std::size_t, 5> kSizes{3 * 16 + 5, 3 * 112 + 9, 3 * 304 + 1, 3 * 1024, 3 * 5120 + 15};
  bool good = false;
  try {
    good = std::all_of(kSizes.begin(), kSizes.end(), [&](std::size_t size) { return agrees(size, whole); });
  } catch (const Error&) {
    // Another libcrypto that does not let a context be turned round.
  }
  in_parts.store(good);
  return good;
}

bool self_test_parallel() {
  static const bool good = self_test_parallel([](auto key, auto iv, auto aad, auto input, auto* output, auto tag) {
    GcmSealer(key).seal(iv, aad, input, output, tag);
  });
  return good;
}

void seal_parallel(ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input,
                   std::uint8_t* output, std::span<std::uint8_t, kGcmTagSize> tag, std::size_t threads) {
  check_gcm_length(input.size());
  if (threads <= 1 || input.size() < kParallelFrom || !in_parts.load(std::memory_order_relaxed)) {
    if (input.size() >= kParallelFrom) want_huge_pages({output, input.size()});
    GcmSealer(key).seal(iv, aad, input, output, tag);
    return;
  }
  const Block computed = crypt(Direction::kSeal, key, iv, aad, input, output, threads);
  std::copy(computed.begin(), computed.end(), tag.begin());
}

bool open_parallel(ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input,
                   std::span<const std::uint8_t, kGcmTagSize> tag, std::uint8_t* output, std::size_t threads) {
  check_gcm_length(input.size());
  if (threads <= 1 || input.size() < kParallelFrom || !in_parts.load(std::memory_order_relaxed)) {
    if (input.size() >= kParallelFrom) want_huge_pages({output, input.size()});
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

}  // namespace cga::crypto
