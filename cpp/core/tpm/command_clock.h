// What a thread that talks to a TPM shows to those who watch it, and how long it may still wait.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "core/tpm/retry.h"

namespace cga::tpm {

/// One for each thread that runs TPM commands. The thread says when a command starts and ends; the watchdog reads it,
/// because a TCTI blocks for ever when the TPM is silent. In the other direction it tells the thread to stop waiting.
class CommandClock {
 public:
  using Milliseconds = std::chrono::milliseconds;

  CommandClock() noexcept = default;
  CommandClock(const CommandClock&) = delete;
  CommandClock& operator=(const CommandClock&) = delete;

  /// Marks a command in flight for the lifetime of the scope.
  class Command {
   public:
    explicit Command(CommandClock& clock) noexcept : clock_(clock) {
      clock_.started_.store(now(), std::memory_order_relaxed);
    }
    ~Command() { clock_.started_.store(0, std::memory_order_relaxed); }
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

   private:
    CommandClock& clock_;
  };

  /// How long the command in flight has been running; zero when there is none.
  [[nodiscard]] Milliseconds running() const noexcept {
    const std::int64_t started = started_.load(std::memory_order_relaxed);
    return started == 0 ? Milliseconds::zero() : Milliseconds(now() - started);
  }

  /// The thread is to stop waiting for a TPM that asks it to come back later.
  void interrupt() noexcept { interrupted_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool interrupted() const noexcept { return interrupted_.load(std::memory_order_relaxed); }

  /// The thread has been given up: when its command ends after all, it sends no further one.
  void abandon() noexcept {
    abandoned_.store(true, std::memory_order_relaxed);
    interrupt();
  }
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_.load(std::memory_order_relaxed); }

  // For the thread itself:

  /// A new call begins, with all of its patience.
  void begin_call() noexcept {
    left_ = interrupted() ? retry::kBusy.closing_patience : retry::kBusy.patience;
    hurried_ = interrupted();
  }
  /// Takes a pause of this length out of what the call may still wait, less once the thread has been interrupted.
  /// @returns false when there is not so much left
  [[nodiscard]] bool spend(Milliseconds pause) noexcept {
    if (interrupted() && !hurried_) {
      hurried_ = true;
      left_ = std::min(left_, retry::kBusy.closing_patience);
    }
    if (pause > left_) return false;
    left_ -= pause;
    return true;
  }
  /// The pause took longer than it was to.
  void charge(Milliseconds overrun) noexcept { left_ -= std::max(overrun, Milliseconds::zero()); }

 private:
  static std::int64_t now() noexcept {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  std::atomic<std::int64_t> started_{0};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> abandoned_{false};
  Milliseconds left_ = retry::kBusy.patience;
  bool hurried_ = false;
};

}  // namespace cga::tpm
