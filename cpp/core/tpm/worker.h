// The thread of one client.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/tpm/command_clock.h"
#include "core/tpm/device.h"
#include "core/tpm/result.h"

namespace cga::tpm {

/// One thread and one queue in order of arrival. A TPM does one command at a time and can take 100 ms for it; nothing
/// here ever blocks the caller.
///
/// A TCTI cannot be told to give up. When a command is in flight for longer than the limit, its job fails with
/// kTimeout, its thread is left behind with the device that it holds (it cleans up if the TPM ever answers), and the
/// queue goes on with a new thread and a new connection.
class Worker : public std::enable_shared_from_this<Worker> {
 public:
  using JobId = std::uint64_t;
  using Work = std::function<Result(Device&)>;

  struct Options {
    std::string tcti;
    std::chrono::milliseconds command_timeout{30'000};
  };

  /// Called from any thread but the submitter's, never under a lock, and exactly once for a job that was not cancelled.
  struct Listener {
    std::function<void(JobId, Outcome)> done;
    std::function<void()> closed;
  };

  static constexpr std::size_t kMaximumQueue = 65'536;

  /// Sets a variable of the environment: see silence_tss().
  [[nodiscard]] static std::shared_ptr<Worker> start(Options options, Listener listener);

  /// @throws Error kAborted after close(), kInternal when the queue is full
  void submit(JobId id, Work work);
  /// Removes a queued job. @returns false when it has started or ended
  bool cancel(JobId id);
  /// Fails what is queued with kAborted, lets the job in flight end, and gives the device up.
  void close();
  /// Waits until the thread has ended. @returns false when it did not in time
  bool wait_closed(std::chrono::milliseconds timeout);
  /// Nothing is reported any more: the listener is about to go.
  void mute();

  /// For the watchdog: leaves a stuck thread behind. @returns whether the thread is at work
  bool check();
  [[nodiscard]] std::chrono::milliseconds command_timeout() const noexcept { return options_.command_timeout; }

  Worker(Options options, Listener listener) : options_(std::move(options)), listener_(std::move(listener)) {}

 private:
  struct Job {
    JobId id;
    Work work;
  };
  /// A thread and what belongs to it; all but the clock is guarded by mutex_.
  struct Lane {
    CommandClock clock;
    std::shared_ptr<Device> device;
    JobId job = 0;
    bool has_job = false;
    bool busy = false;
    bool abandoned = false;
  };
  using Guard = std::unique_lock<std::mutex>;

  void launch();
  void serve(const std::shared_ptr<Lane>& lane);
  void perform(const std::shared_ptr<Lane>& lane, Guard& guard);
  void rest(const std::shared_ptr<Lane>& lane, Guard& guard);
  void finish(const std::shared_ptr<Lane>& lane, Guard& guard);
  [[nodiscard]] Outcome execute(const std::shared_ptr<Lane>& lane, const Work& work);
  void report(Guard& guard, JobId id, Outcome outcome);
  void report_closed(Guard& guard);

  const Options options_;
  const Listener listener_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  std::deque<Job> queue_;
  std::shared_ptr<Lane> lane_;
  bool closing_ = false;
  bool closed_ = false;
  bool muted_ = false;
};

}  // namespace cga::tpm
