#include "core/crypto/chunked.h"

#include <algorithm>
#include <atomic>
#include <string_view>
#include <vector>

#include "core/crypto/hkdf.h"
#include "core/crypto/work_ranges.h"
#include "core/crypto/worker_pool.h"
#include "core/error.h"

namespace cga::crypto {
namespace {

/// Chunks of another thread's that waking it up takes as long as.
constexpr std::size_t kWorthAThread = 8;

constexpr std::string_view kLabel = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM";

/// Runs `work(cipher, chunk, offset of its input, its length)` for consecutive chunks on several threads. Each keys one
/// cipher and goes through a range of its own, chunk by chunk (4 µs of work); one that is done early helps the others.
/// Threads that took turns in one range would write to neighbouring memory all the time, and the caches would pass it
/// to and fro: up to a fifth of the time on two cores.
template <typename Cipher, typename Work>
void for_chunks(const ChunkedKey& key, std::size_t total, std::size_t chunk_size, std::size_t threads, Work&& work) {
  const std::size_t chunks = (total + chunk_size - 1) / chunk_size;
  if (chunks == 0) return;
  const std::size_t workers = std::min(chunks / kWorthAThread + 1, threads);
  WorkRanges ranges(chunks, workers);
  run_parallel(workers, threads, [&](std::size_t worker) {
    auto chunk = ranges.next(worker);
    if (!chunk) return;
    for (Cipher cipher(key.key()); chunk; chunk = ranges.next(worker)) {
      work(cipher, *chunk, *chunk * chunk_size, std::min(chunk_size, total - *chunk * chunk_size));
    }
  });
}

}  // namespace

ChunkedKey::ChunkedKey(ByteView input_key, std::span<const std::uint8_t, kChunkedSaltSize> salt, ByteView context)
    : material_(kGcmKeySize + kGcmIvSize + kChunkedCommitmentSize) {
  if (input_key.size() != kGcmKeySize) throw Error(ErrorKind::kInvalidArgument, "the input key must have 32 bytes");
  std::vector<std::uint8_t> info(kLabel.begin(), kLabel.end());
  info.push_back(0);
  info.insert(info.end(), salt.begin(), salt.end());
  info.insert(info.end(), context.begin(), context.end());
  hkdf_expand_sha512(input_key, info, material_.bytes());
}

std::array<std::uint8_t, kGcmIvSize> ChunkedKey::nonce(std::uint64_t chunk) const {
  if (chunk >= kMaxChunks) throw Error(ErrorKind::kInvalidArgument, "a chunked ciphertext has at most 2^38 chunks");
  std::array<std::uint8_t, kGcmIvSize> nonce{};
  const auto base = material_.bytes().subspan(kGcmKeySize, kGcmIvSize);
  std::copy(base.begin(), base.end(), nonce.begin());
  for (std::size_t i = kGcmIvSize; chunk != 0; chunk >>= 8) nonce[--i] ^= static_cast<std::uint8_t>(chunk);
  return nonce;
}

std::size_t seal_chunks(const ChunkedKey& key, std::uint64_t first, ByteView input, std::uint8_t* output,
                        std::size_t threads) {
  for_chunks<GcmSealer>(key, input.size(), kChunkSize, threads,
                        [&](GcmSealer& sealer, std::size_t chunk, std::size_t at, std::size_t size) {
                          std::uint8_t* const sealed = output + chunk * kSealedChunkSize;
                          sealer.seal(key.nonce(first + chunk), {}, input.subspan(at, size), sealed,
                                      std::span<std::uint8_t, kGcmTagSize>(sealed + size, kGcmTagSize));
                        });
  return input.size() + (input.size() + kChunkSize - 1) / kChunkSize * kGcmTagSize;
}

bool open_chunks(const ChunkedKey& key, std::uint64_t first, ByteView input, std::uint8_t* output,
                 std::size_t threads) {
  const std::size_t rest = input.size() % kSealedChunkSize;
  if (rest != 0 && rest < kGcmTagSize) return false;
  const std::size_t chunks = (input.size() + kSealedChunkSize - 1) / kSealedChunkSize;
  const std::span<std::uint8_t> opened(output, input.size() - chunks * kGcmTagSize);
  std::atomic<bool> genuine = true;
  try {
    for_chunks<GcmOpener>(key, input.size(), kSealedChunkSize, threads,
                          [&](GcmOpener& opener, std::size_t chunk, std::size_t at, std::size_t size) {
                            const auto sealed = input.subspan(at, size);
                            if (!opener.open(key.nonce(first + chunk), {}, sealed.first(size - kGcmTagSize),
                                             sealed.last<kGcmTagSize>(), output + chunk * kChunkSize)) {
                              genuine = false;
                            }
                          });
  } catch (...) {
    secure_zero(opened);  // There was no memory for a cipher; nobody gets what other threads have opened.
    throw;
  }
  if (!genuine) secure_zero(opened);
  return genuine;
}

ByteView ChunkBuffer::complete(ByteView& input) noexcept {
  const std::size_t count = std::min(held_.size() - size_, input.size());
  std::copy_n(input.begin(), count, held_.bytes().begin() + static_cast<std::ptrdiff_t>(size_));
  input = input.subspan(count);
  size_ += count;
  return size_ == held_.size() ? held_.bytes() : ByteView{};
}

void ChunkBuffer::keep(ByteView rest) noexcept {
  std::copy(rest.begin(), rest.end(), held_.bytes().begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += rest.size();
}

ChunkSealer::ChunkSealer(ByteView input_key, std::span<const std::uint8_t, kChunkedSaltSize> salt, ByteView context)
    : key_(input_key, salt, context), buffer_(kChunkSize) {
  std::copy(salt.begin(), salt.end(), prefix_.begin());
  const auto commitment = key_.commitment();
  std::copy(commitment.begin(), commitment.end(), prefix_.begin() + kChunkedSaltSize);
}

std::size_t ChunkSealer::update_size(std::size_t input) const noexcept {
  return buffer_.chunks_after(input) * kSealedChunkSize;
}

std::size_t ChunkSealer::update(ByteView input, std::uint8_t* output, std::size_t threads) {
  std::size_t written = 0;
  if (!buffer_.held().empty()) {
    const auto chunk = buffer_.complete(input);
    if (chunk.empty()) return 0;
    written += seal_chunks(key_, next_++, chunk, output, 1);
    buffer_.clear();
  }
  const std::size_t whole = input.size() / kChunkSize;
  written += seal_chunks(key_, next_, input.first(whole * kChunkSize), output + written, threads);
  next_ += whole;
  buffer_.keep(input.subspan(whole * kChunkSize));
  return written;
}

std::size_t ChunkSealer::finish(std::uint8_t* output) {
  const auto last = buffer_.held();
  GcmSealer(key_.key())
      .seal(key_.nonce(next_), {}, last, output,
            std::span<std::uint8_t, kGcmTagSize>(output + last.size(), kGcmTagSize));
  return last.size() + kGcmTagSize;
}

ChunkOpener::ChunkOpener(ByteView input_key, std::span<const std::uint8_t, kChunkedPrefixSize> prefix, ByteView context)
    : key_(input_key, prefix.first<kChunkedSaltSize>(), context), buffer_(kSealedChunkSize) {
  require(constant_time_equal(key_.commitment(), prefix.last<kChunkedCommitmentSize>()));
}

void ChunkOpener::require(bool genuine) {
  failed_ = failed_ || !genuine;
  if (failed_) throw Error(ErrorKind::kCrypto, "the stream is not genuine");
}

std::size_t ChunkOpener::update_size(std::size_t input) const noexcept {
  return buffer_.chunks_after(input) * kChunkSize;
}

std::size_t ChunkOpener::update(ByteView input, std::uint8_t* output, std::size_t threads) {
  require(true);
  std::size_t written = 0;
  if (!buffer_.held().empty()) {
    const auto chunk = buffer_.complete(input);
    if (chunk.empty()) return 0;
    require(open_chunks(key_, next_++, chunk, output, 1));
    buffer_.clear();
    written = kChunkSize;
  }
  const std::size_t whole = input.size() / kSealedChunkSize;
  const bool genuine = open_chunks(key_, next_, input.first(whole * kSealedChunkSize), output + written, threads);
  if (!genuine) secure_zero({output, written});
  require(genuine);
  next_ += whole;
  buffer_.keep(input.subspan(whole * kSealedChunkSize));
  return written + whole * kChunkSize;
}

std::size_t ChunkOpener::finish_size() const noexcept {
  return std::max(buffer_.held().size(), kGcmTagSize) - kGcmTagSize;
}

std::size_t ChunkOpener::finish(std::uint8_t* output) {
  require(true);
  const auto last = buffer_.held();
  // A whole chunk is never the last one, so what is held is it: without at least its tag the stream was cut off.
  require(last.size() >= kGcmTagSize && open_chunks(key_, next_, last, output, 1));
  failed_ = true;  // Nothing follows the last chunk.
  return last.size() - kGcmTagSize;
}

}  // namespace cga::crypto
