// Many messages under one key: docs/encryption.md, section "Sessions".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/bytes.h"
#include "core/crypto/gcm.h"
#include "core/crypto/secret.h"

namespace cga::crypto {

/// The 8-byte message number before each ciphertext and the tag behind it.
inline constexpr std::size_t kSessionNumberSize = 8;
inline constexpr std::size_t kSessionOverhead = kSessionNumberSize + kGcmTagSize;
/// Messages of a session, far below what would make two nonces equal (2^56) and small enough for a JavaScript number.
inline constexpr std::uint64_t kSessionMaxMessages = std::uint64_t{1} << 48;

enum class MessageKind : std::uint8_t { kMessage = 0, kLast = 1 };

/// Key and nonce prefix, derived from the wrapped input key; `info` says everything that both sides must agree on.
class SessionKey {
 public:
  SessionKey(ByteView input_key, ByteView info);

  using Number = std::array<std::uint8_t, kSessionNumberSize>;
  using Nonce = std::array<std::uint8_t, kGcmIvSize>;
  /// [kind]8 || [counter]56: sent with the message.
  [[nodiscard]] static Number number(MessageKind kind, std::uint64_t counter) noexcept;
  /// The deterministic construction of SP 800-38D section 8.2.1: fixed field (4 bytes) || number.
  [[nodiscard]] Nonce nonce(std::span<const std::uint8_t, kSessionNumberSize> number) const noexcept;
  [[nodiscard]] ByteView key() const noexcept { return material_.bytes().first(kGcmKeySize); }

 private:
  SecretBytes material_;  // key (32) || fixed field (4)
};

/// Gives out message numbers and seals. One thread calls it; sealing of large and of many messages uses others.
class SessionSealer {
 public:
  SessionSealer(ByteView input_key, ByteView info, std::uint64_t limit);

  /// Takes `count` consecutive numbers and returns the first. Throws kInvalidArgument, taking none, when the limit or
  /// the session's last message leaves fewer.
  [[nodiscard]] std::uint64_t reserve(std::uint64_t count);
  /// No number is given out after this.
  void end() noexcept { ended_ = true; }
  [[nodiscard]] std::uint64_t sent() const noexcept { return next_; }

  /// Seals on the calling thread. `out` has kSessionOverhead bytes more than `message` and does not overlap it.
  void seal(MessageKind kind, std::uint64_t counter, ByteView message, std::uint8_t* out);
  [[nodiscard]] const SessionKey& key() const noexcept { return key_; }

 private:
  SessionKey key_;
  GcmSealer sealer_;
  std::uint64_t next_ = 0;
  std::uint64_t limit_;
  bool ended_ = false;
};

/// Opens messages and keeps track of their numbers.
class SessionOpener {
 public:
  /// `ordered`: only the next message opens, until the last one. Otherwise any order opens, and a number is refused
  /// when it was seen among the `replay_window` highest or is below them; 0 keeps no record.
  SessionOpener(ByteView input_key, ByteView info, bool ordered, std::size_t replay_window);

  /// Opens on the calling thread into message.size() - kSessionOverhead bytes. False, with `out` zeroed, when the
  /// message is not genuine or not at its place; an ordered session has failed for good then.
  [[nodiscard]] bool open(ByteView message, std::uint8_t* out);

  /// For opening elsewhere: whether these messages, in this order, may be opened now. Checked before.
  [[nodiscard]] bool expects(std::span<const ByteView> messages) const;
  /// Records them after all their tags were right. False when another call has recorded one of them meanwhile.
  [[nodiscard]] bool accept(std::span<const ByteView> messages);
  void fail() noexcept { failed_ = ordered_; }

  [[nodiscard]] bool finished() const noexcept { return finished_; }
  [[nodiscard]] const SessionKey& key() const noexcept { return key_; }

 private:
  [[nodiscard]] bool seen(std::uint64_t counter) const;
  void mark(std::uint64_t counter);

  SessionKey key_;
  GcmOpener opener_;
  bool ordered_;
  bool failed_ = false;
  bool finished_ = false;
  std::uint64_t next_ = 0;  ///< one above the highest number accepted; ordered: the number expected
  std::vector<bool> window_;
};

/// Opens or seals one message of a session on several threads, with its number given or read.
void seal_session_message(const SessionKey& key, MessageKind kind, std::uint64_t counter, ByteView message,
                          std::uint8_t* out, std::size_t threads);
[[nodiscard]] bool open_session_message(const SessionKey& key, ByteView message, std::uint8_t* out,
                                        std::size_t threads);

/// Many messages with consecutive numbers, spread over threads; `out[i]` takes message i.
void seal_session_messages(const SessionKey& key, std::uint64_t first, std::span<const ByteView> messages,
                           std::span<std::uint8_t* const> out, std::size_t threads);
/// False, with every output zeroed, when one of them is not genuine.
[[nodiscard]] bool open_session_messages(const SessionKey& key, std::span<const ByteView> messages,
                                         std::span<std::uint8_t* const> out, std::size_t threads);

}  // namespace cga::crypto
