#include "core/crypto/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "core/crypto/registers.h"
#include "core/error.h"

namespace cga::crypto {
namespace {

constexpr std::size_t kSlotSize = 64;
constexpr std::size_t kSlabSize = 64 * 1024;

struct Mapping {
  std::uint8_t* data;
  bool locked;
};

Mapping map_secret(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Both fail only on kernels that do not know them (before 3.4 and 4.14).
  madvise(memory, size, MADV_DONTDUMP);
  madvise(memory, size, MADV_WIPEONFORK);
  return {static_cast<std::uint8_t*>(memory), mlock(memory, size) == 0};
}

std::size_t page_rounded(std::size_t size) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

/// Slots for keys. One page a key would use up the usual RLIMIT_MEMLOCK with a few hundred keys.
class Arena {
 public:
  /// Never destroyed: keys in other static objects or on detached threads may outlive it otherwise.
  static Arena& instance() {
    static Arena* const arena = new Arena;
    return *arena;
  }

  Mapping take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) grow();
    const Mapping slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void give(Mapping slot) noexcept {
    const std::lock_guard lock(mutex_);
    free_.push_back(slot);  // Does not allocate: grow() reserved room for every slot that exists.
  }

 private:
  void grow() {
    constexpr std::size_t kSlots = kSlabSize / kSlotSize;
    free_.reserve(total_ + kSlots);
    const Mapping slab = map_secret(kSlabSize);
    total_ += kSlots;
    for (std::size_t i = 0; i < kSlots; ++i) free_.push_back({slab.data + i * kSlotSize, slab.locked});
  }

  std::mutex mutex_;
  std::vector<Mapping> free_;
  std::size_t total_ = 0;
};

}  // namespace

SecretBytes::SecretBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  const Mapping memory = size <= kSlotSize ? Arena::instance().take() : map_secret(page_rounded(size));
  data_ = memory.data;
  locked_ = memory.locked;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      locked_(std::exchange(other.locked_, false)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    clear();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    locked_ = std::exchange(other.locked_, false);
  }
  return *this;
}

SecretBytes::~SecretBytes() {
  clear();
}

SecretBytes SecretBytes::copy_of(ByteView bytes) {
  SecretBytes result(bytes.size());
  std::copy(bytes.begin(), bytes.end(), result.data_);
  clear_vector_registers();
  return result;
}

SecretBytes SecretBytes::random(std::size_t size) {
  SecretBytes result(size);
  if (RAND_priv_bytes(result.data_, static_cast<int>(size)) != 1) {
    throw Error(ErrorKind::kCrypto, "the random generator of libcrypto failed");
  }
  return result;
}

void SecretBytes::clear() noexcept {
  if (data_ == nullptr) return;
  secure_zero({data_, size_});
  if (size_ <= kSlotSize) {
    Arena::instance().give({data_, locked_});
  } else {
    munmap(data_, page_rounded(size_));  // Unlocks as well.
  }
  data_ = nullptr;
  size_ = 0;
  locked_ = false;
  clear_vector_registers();
}

void secure_zero(std::span<std::uint8_t> bytes) noexcept {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

bool constant_time_equal(ByteView a, ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void random_bytes(std::span<std::uint8_t> out) {
  if (RAND_bytes(out.data(), static_cast<int>(out.size())) != 1) {
    throw Error(ErrorKind::kCrypto, "the random generator of libcrypto failed");
  }
}

}  // namespace cga::crypto
