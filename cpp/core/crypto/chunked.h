// C2SP chunked encryption, version 1 (c2sp.org/chunked-encryption@v1), with AES-256-GCM and SHA-512.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/bytes.h"
#include "core/crypto/gcm.h"
#include "core/crypto/secret.h"

namespace cga::crypto {

inline constexpr std::size_t kChunkSize = 16 * 1024;
inline constexpr std::size_t kSealedChunkSize = kChunkSize + kGcmTagSize;
inline constexpr std::size_t kChunkedSaltSize = 24;
inline constexpr std::size_t kChunkedCommitmentSize = 32;
inline constexpr std::size_t kChunkedPrefixSize = kChunkedSaltSize + kChunkedCommitmentSize;
inline constexpr std::uint64_t kMaxChunks = std::uint64_t{1} << 38;

/// Key, base nonce and commitment of one ciphertext.
class ChunkedKey {
 public:
  /// Throws kInvalidArgument when the input key does not have 32 bytes.
  ChunkedKey(ByteView input_key, std::span<const std::uint8_t, kChunkedSaltSize> salt, ByteView context);

  [[nodiscard]] ByteView key() const noexcept { return material_.bytes().first(kGcmKeySize); }
  /// Base nonce XOR chunk number. Throws kInvalidArgument beyond 2^38 chunks.
  [[nodiscard]] std::array<std::uint8_t, kGcmIvSize> nonce(std::uint64_t chunk) const;
  [[nodiscard]] ByteView commitment() const noexcept { return material_.bytes().last(kChunkedCommitmentSize); }

 private:
  SecretBytes material_;  // key (32) || base nonce (12) || commitment (32)
};

/// Seals chunks `first`, `first + 1`, … of 16 KiB, the last of which may be shorter. `output` takes 16 bytes more a
/// chunk. Returns the bytes written.
std::size_t seal_chunks(const ChunkedKey& key, std::uint64_t first, ByteView input, std::uint8_t* output,
                        std::size_t threads);

/// Opens sealed chunks of 16,400 bytes, the last of which may be shorter (but not than a tag). False, with the whole
/// output zeroed, when a tag is wrong.
[[nodiscard]] bool open_chunks(const ChunkedKey& key, std::uint64_t first, ByteView input, std::uint8_t* output,
                               std::size_t threads);

/// Cuts a stream of any pieces into chunks: what one side of ChunkSealer and ChunkOpener has in common.
class ChunkBuffer {
 public:
  explicit ChunkBuffer(std::size_t chunk_size) : held_(chunk_size) {}

  /// Whole chunks that there are once `more` bytes have been added.
  [[nodiscard]] std::size_t chunks_after(std::size_t more) const noexcept { return (size_ + more) / held_.size(); }
  /// Fills the held chunk from the front of `input` and drops that part; the chunk when it is whole.
  [[nodiscard]] ByteView complete(ByteView& input) noexcept;
  /// Keeps less than a chunk for later.
  void keep(ByteView rest) noexcept;
  [[nodiscard]] ByteView held() const noexcept { return held_.bytes().first(size_); }
  void clear() noexcept { size_ = 0; }

 private:
  SecretBytes held_;
  std::size_t size_ = 0;
};

/// Encrypts a stream given in any pieces.
class ChunkSealer {
 public:
  ChunkSealer(ByteView input_key, std::span<const std::uint8_t, kChunkedSaltSize> salt, ByteView context);

  /// salt || commitment
  [[nodiscard]] std::span<const std::uint8_t, kChunkedPrefixSize> prefix() const noexcept { return prefix_; }
  /// Bytes that update() will write for this many.
  [[nodiscard]] std::size_t update_size(std::size_t input) const noexcept;
  std::size_t update(ByteView input, std::uint8_t* output, std::size_t threads);
  [[nodiscard]] std::size_t finish_size() const noexcept { return buffer_.held().size() + kGcmTagSize; }
  /// The last chunk, shorter than the others.
  std::size_t finish(std::uint8_t* output);

 private:
  ChunkedKey key_;
  std::array<std::uint8_t, kChunkedPrefixSize> prefix_{};
  ChunkBuffer buffer_;
  std::uint64_t next_ = 0;
};

/// Decrypts a stream given in any pieces. Once anything was wrong, every later call throws kCrypto too.
class ChunkOpener {
 public:
  /// Throws kCrypto when the commitment in the prefix is not that of the key and context.
  ChunkOpener(ByteView input_key, std::span<const std::uint8_t, kChunkedPrefixSize> prefix, ByteView context);

  [[nodiscard]] std::size_t update_size(std::size_t input) const noexcept;
  /// Plaintext of every chunk whose tag was right; throws kCrypto with the output zeroed otherwise.
  std::size_t update(ByteView input, std::uint8_t* output, std::size_t threads);
  [[nodiscard]] std::size_t finish_size() const noexcept;
  /// The last chunk; throws kCrypto when the stream was cut off.
  std::size_t finish(std::uint8_t* output);
  [[nodiscard]] const ChunkedKey& key() const noexcept { return key_; }

 private:
  void require(bool genuine);

  ChunkedKey key_;
  ChunkBuffer buffer_;
  std::uint64_t next_ = 0;
  bool failed_ = false;
};

}  // namespace cga::crypto
