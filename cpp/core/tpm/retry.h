// Every retry at the TPM: what is retried, how often, for how long. docs/tpm.md has the same as a table for people.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

namespace cga::tpm::retry {

using std::chrono::milliseconds;

/// The TPM asks to come back later (TPM_RC_RETRY, YIELDED, TESTING, NV_RATE), or has no slot for an object or a
/// session: the command is sent again after pauses that double.
struct Busy {
  milliseconds first_pause{1};
  milliseconds longest_pause{250};
  /// All pauses of one call together, whichever of its commands they were for.
  milliseconds patience{10'000};
  /// The same once the client is being closed: what is in the TPM is to be flushed, and nobody likes to wait.
  milliseconds closing_patience{500};
};
inline constexpr Busy kBusy{};

/// The way to the TPM breaks, or its answer cannot be understood: the call is made anew on a new connection. A TPM that
/// restarts (a software TPM, a resource manager) is back by then. What must not be done twice (PCR extension) is not.
struct Link {
  int attempts = 6;
  milliseconds first_pause{50};  ///< doubles
};
inline constexpr Link kLink{};

/// A key, its session or the PCRs under it changed while they were used: made, restarted or read again, without pauses.
inline constexpr int kKeyAttempts = 4;
/// A PCR changed while several were read: read again.
inline constexpr int kPcrReadAttempts = 5;
/// Another process redefined an NV index while it was read: read again.
inline constexpr int kNvReadAttempts = 3;

/// All pauses between connections.
[[nodiscard]] constexpr milliseconds link_pauses() noexcept {
  milliseconds sum{0};
  milliseconds pause = kLink.first_pause;
  for (int attempt = 1; attempt < kLink.attempts; ++attempt, pause *= 2) sum += pause;
  return sum;
}

/// The longest that any call waits, apart from the time that the TPM takes for the commands themselves.
[[nodiscard]] constexpr milliseconds longest_wait() noexcept {
  return kBusy.patience + link_pauses();
}

// Commands that one attempt at a call sends at most, the connection's set-up included. Without a resource manager a
// command that loads something is preceded and followed by looks at the handles (4 commands), and lost ones are
// flushed.

/// Capability of handles and clock, before and after, and the flush of what was lost.
inline constexpr std::size_t kLoad = 1 + 2 * 2 + 3;
/// After the connection was made: handles that an earlier one lost, at most the TPM's slots.
inline constexpr std::size_t kConnect = 2 * (2 + 3);
inline constexpr std::size_t kPcrRead = kPcrReadAttempts * 24;
inline constexpr std::size_t kMakeKey = kPcrRead + kLoad + 1;
inline constexpr std::size_t kMendKey = 4;  ///< ReadClock, ReadPublic, FlushContext of session and key
inline constexpr std::size_t kOpenSession = 1 + kLoad;
/// An NV index has at most 65,535 bytes, and one command carries at least 512 of them on PC Client TPMs.
inline constexpr std::size_t kNvChunks = 128;
inline constexpr std::size_t kNvRead = kNvReadAttempts * (1 + kNvChunks) + 1;
inline constexpr std::size_t kNvWrite = 2 + kNvChunks;
inline constexpr std::size_t kUseKey = kKeyAttempts * (kMakeKey + kOpenSession + 3 + kMendKey);

/// The longest that a call takes when the TPM takes at most `command_limit` for each command: a command that takes
/// longer ends its call with kTimeout.
/// @param commands at most this many in one attempt, without what the TPM asked to send again
[[nodiscard]] constexpr milliseconds longest_call(std::size_t commands, milliseconds command_limit) noexcept {
  return longest_wait() + kLink.attempts * static_cast<int>(kConnect + commands) * command_limit;
}

static_assert(link_pauses() == milliseconds(1'550));
static_assert(longest_wait() == milliseconds(11'550));
// As docs/tpm.md says.
static_assert(kPcrRead == 120 && kNvRead == 388 && kNvWrite == 130 && kUseKey == 580 && kConnect == 10);

}  // namespace cga::tpm::retry
