// Looks for threads that are stuck in a TPM command.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace cga::tpm {

class Worker;

/// One for the process. Its thread sleeps while no worker is at work.
class Watchdog {
 public:
  [[nodiscard]] static Watchdog& instance();

  void add(const std::weak_ptr<Worker>& worker);
  /// A worker is about to send commands. Costs one atomic load while the watchdog is awake.
  void arm();
  /// At process exit: gives every worker the chance to take its key out of the TPM, for a bounded time.
  void close_all();

 private:
  Watchdog();
  void serve();
  [[nodiscard]] std::vector<std::shared_ptr<Worker>> workers();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::weak_ptr<Worker>> workers_;
  std::atomic<bool> armed_{false};
};

}  // namespace cga::tpm
