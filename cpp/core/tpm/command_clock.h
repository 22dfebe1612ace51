// What a thread that talks to a TPM shows to those who watch it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace cga::tpm {

/// One for each thread that runs TPM commands. The thread says when a command starts and ends; the watchdog reads it,
/// because a TCTI blocks for ever when the TPM is silent. In the other direction it tells the thread to stop waiting.
class CommandClock {
 public:
  using Milliseconds = std::chrono::milliseconds;

  /// Makes this clock the one of the calling thread for the lifetime of the scope.
  class Scope {
   public:
    /// @param clock null for work that nobody watches or waits for
    explicit Scope(CommandClock* clock) noexcept : previous_(current_) { current_ = clock; }
    ~Scope() { current_ = previous_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    CommandClock* previous_;
  };

  /// Marks a command in flight for the lifetime of the scope, if the thread has a clock.
  class Command {
   public:
    Command() noexcept : clock_(current_) {
      if (clock_ != nullptr) clock_->started_.store(now(), std::memory_order_relaxed);
    }
    ~Command() {
      if (clock_ != nullptr) clock_->started_.store(0, std::memory_order_relaxed);
    }
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

   private:
    CommandClock* clock_;
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

  /// Clock of the calling thread, null when it has none.
  [[nodiscard]] static CommandClock* current() noexcept { return current_; }

 private:
  static std::int64_t now() noexcept {
    return std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  static inline thread_local CommandClock* current_ = nullptr;
  std::atomic<std::int64_t> started_{0};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> abandoned_{false};
};

}  // namespace cga::tpm
