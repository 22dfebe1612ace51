#include "core/crypto/session.h"

#include <algorithm>
#include <atomic>

#include "core/crypto/gcm_parallel.h"
#include "core/crypto/hkdf.h"
#include "core/crypto/worker_pool.h"
#include "core/error.h"

namespace cga::crypto {
namespace {

constexpr std::size_t kFixedFieldSize = kGcmIvSize - kSessionNumberSize;
constexpr std::uint64_t kNotANumber = ~std::uint64_t{0};

struct Header {
  MessageKind kind;
  std::uint64_t counter;  ///< kNotANumber when the message is too short or its number impossible
};

Header read_header(ByteView message) {
  if (message.size() < kSessionOverhead || message[0] > static_cast<std::uint8_t>(MessageKind::kLast)) {
    return {MessageKind::kMessage, kNotANumber};
  }
  std::uint64_t counter = 0;
  for (std::size_t i = 1; i < kSessionNumberSize; ++i) counter = counter << 8 | message[i];
  if (counter >= kSessionMaxMessages) counter = kNotANumber;
  return {static_cast<MessageKind>(message[0]), counter};
}

std::span<const std::uint8_t, kSessionNumberSize> number_of(ByteView message) {
  return message.first<kSessionNumberSize>();
}
ByteView ciphertext_of(ByteView message) {
  return message.subspan(kSessionNumberSize, message.size() - kSessionOverhead);
}
std::span<const std::uint8_t, kGcmTagSize> tag_of(ByteView message) {
  return message.last<kGcmTagSize>();
}

/// Messages a task: about 64 KiB of work, so that taking a task costs nothing and the last one is short.
std::size_t messages_per_task(std::span<const ByteView> messages) {
  std::size_t total = 0;
  for (const auto& message : messages) total += message.size() + 256;  // 256: what a message costs besides its bytes
  return std::max<std::size_t>(1, messages.size() * 65536 / std::max<std::size_t>(total, 1));
}

}  // namespace

SessionKey::SessionKey(ByteView input_key, ByteView info) : material_(kGcmKeySize + kFixedFieldSize) {
  hkdf_expand_sha512(input_key, info, material_.bytes());
}

SessionKey::Number SessionKey::number(MessageKind kind, std::uint64_t counter) noexcept {
  Number number{static_cast<std::uint8_t>(kind)};
  for (std::size_t i = kSessionNumberSize; --i > 0; counter >>= 8) number[i] = static_cast<std::uint8_t>(counter);
  return number;
}

SessionKey::Nonce SessionKey::nonce(std::span<const std::uint8_t, kSessionNumberSize> number) const noexcept {
  Nonce nonce{};
  const auto fixed = material_.bytes().subspan(kGcmKeySize);
  std::copy(fixed.begin(), fixed.end(), nonce.begin());
  std::copy(number.begin(), number.end(), nonce.begin() + kFixedFieldSize);
  return nonce;
}

SessionSealer::SessionSealer(ByteView input_key, ByteView info, std::uint64_t limit)
    : key_(input_key, info), sealer_(key_.key()), limit_(std::min(limit, kSessionMaxMessages)) {}

std::uint64_t SessionSealer::reserve(std::uint64_t count) {
  if (ended_) throw Error(ErrorKind::kInvalidArgument, "the session has had its last message");
  if (count > limit_ - next_) {
    throw Error(ErrorKind::kInvalidArgument, "the session has reached its limit of messages: start a new one");
  }
  const std::uint64_t first = next_;
  next_ += count;
  return first;
}

void SessionSealer::seal(MessageKind kind, std::uint64_t counter, ByteView message, std::uint8_t* out) {
  const auto number = SessionKey::number(kind, counter);
  std::copy(number.begin(), number.end(), out);
  sealer_.seal(key_.nonce(number), {}, message, out + kSessionNumberSize,
               std::span<std::uint8_t, kGcmTagSize>(out + kSessionNumberSize + message.size(), kGcmTagSize));
}

SessionOpener::SessionOpener(ByteView input_key, ByteView info, bool ordered, std::size_t replay_window)
    : key_(input_key, info), opener_(key_.key()), ordered_(ordered), window_(ordered ? 0 : replay_window) {}

bool SessionOpener::seen(std::uint64_t counter) const {
  if (window_.empty() || counter >= next_) return false;
  return next_ - counter > window_.size() || window_[counter % window_.size()];
}

void SessionOpener::mark(std::uint64_t counter) {
  if (!window_.empty()) {
    const std::uint64_t size = window_.size();
    if (counter >= next_) {
      // The window moves on: what enters it was not seen yet.
      if (counter - next_ >= size) {
        std::fill(window_.begin(), window_.end(), false);
      } else {
        for (std::uint64_t i = next_; i < counter; ++i) window_[i % size] = false;
      }
    }
    // Shut out by one before it in the same call, it has no place any more: that is another's.
    if (counter + size >= next_) window_[counter % size] = true;
  }
  next_ = std::max(next_, counter + 1);
}

bool SessionOpener::expects(std::span<const ByteView> messages) const {
  if (failed_ || finished_) return false;
  std::uint64_t expected = next_;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Header header = read_header(messages[i]);
    if (header.counter == kNotANumber) return false;
    if (ordered_) {
      if (header.counter != expected++) return false;
      if (header.kind == MessageKind::kLast && i + 1 != messages.size()) return false;
    } else if (header.kind == MessageKind::kLast || seen(header.counter)) {
      return false;
    }
  }
  if (!ordered_ && !window_.empty() && messages.size() > 1) {
    // Twice in one call is a replay as well.
    std::vector<std::uint64_t> counters;
    counters.reserve(messages.size());
    for (const auto& message : messages) counters.push_back(read_header(message).counter);
    std::sort(counters.begin(), counters.end());
    if (std::adjacent_find(counters.begin(), counters.end()) != counters.end()) return false;
  }
  return true;
}

bool SessionOpener::accept(std::span<const ByteView> messages) {
  if (!expects(messages)) return false;
  for (const auto& message : messages) {
    const Header header = read_header(message);
    mark(header.counter);
    if (header.kind == MessageKind::kLast) finished_ = true;
  }
  return true;
}

bool SessionOpener::open(ByteView message, std::uint8_t* out) {
  if (expects({&message, 1}) &&
      opener_.open(key_.nonce(number_of(message)), {}, ciphertext_of(message), tag_of(message), out)) {
    return accept({&message, 1});
  }
  if (message.size() > kSessionOverhead) secure_zero({out, message.size() - kSessionOverhead});
  fail();
  return false;
}

void seal_session_message(const SessionKey& key, MessageKind kind, std::uint64_t counter, ByteView message,
                          std::uint8_t* out, std::size_t threads) {
  const auto number = SessionKey::number(kind, counter);
  std::copy(number.begin(), number.end(), out);
  seal_parallel(key.key(), key.nonce(number), {}, message, out + kSessionNumberSize,
                std::span<std::uint8_t, kGcmTagSize>(out + kSessionNumberSize + message.size(), kGcmTagSize), threads);
}

bool open_session_message(const SessionKey& key, ByteView message, std::uint8_t* out, std::size_t threads) {
  return open_parallel(key.key(), key.nonce(number_of(message)), {}, ciphertext_of(message), tag_of(message), out,
                       threads);
}

void seal_session_messages(const SessionKey& key, std::uint64_t first, std::span<const ByteView> messages,
                           std::span<std::uint8_t* const> out, std::size_t threads) {
  const std::size_t step = messages_per_task(messages);
  run_parallel((messages.size() + step - 1) / step, threads, [&](std::size_t task) {
    GcmSealer sealer(key.key());
    const std::size_t end = std::min(messages.size(), (task + 1) * step);
    for (std::size_t i = task * step; i < end; ++i) {
      const auto number = SessionKey::number(MessageKind::kMessage, first + i);
      std::uint8_t* const ciphertext = out[i] + kSessionNumberSize;
      std::copy(number.begin(), number.end(), out[i]);
      sealer.seal(key.nonce(number), {}, messages[i], ciphertext,
                  std::span<std::uint8_t, kGcmTagSize>(ciphertext + messages[i].size(), kGcmTagSize));
    }
  });
}

bool open_session_messages(const SessionKey& key, std::span<const ByteView> messages,
                           std::span<std::uint8_t* const> out, std::size_t threads) {
  const std::size_t step = messages_per_task(messages);
  std::atomic<bool> genuine = true;
  run_parallel((messages.size() + step - 1) / step, threads, [&](std::size_t task) {
    GcmOpener opener(key.key());
    const std::size_t end = std::min(messages.size(), (task + 1) * step);
    for (std::size_t i = task * step; i < end; ++i) {
      const auto& message = messages[i];
      if (!opener.open(key.nonce(number_of(message)), {}, ciphertext_of(message), tag_of(message), out[i])) {
        genuine = false;
      }
    }
  });
  if (!genuine) {
    for (std::size_t i = 0; i < messages.size(); ++i) secure_zero({out[i], messages[i].size() - kSessionOverhead});
  }
  return genuine;
}

}  // namespace cga::crypto
