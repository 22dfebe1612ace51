#include "core/tpm/watchdog.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/tpm/worker.h"

namespace cga::tpm {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kExitPatience{1000};

/// Fine enough that a limit is overrun by an eighth at most.
milliseconds tick_for(const std::vector<std::shared_ptr<Worker>>& workers) {
  milliseconds tick{250};
  for (const auto& worker : workers) tick = std::min(tick, worker->command_timeout() / 8);
  return std::max(tick, milliseconds(5));
}

}  // namespace

Watchdog& Watchdog::instance() {
  // Never destroyed: threads use it while the process ends.
  static auto& watchdog = *new Watchdog;
  return watchdog;
}

Watchdog::Watchdog() {
  std::thread([this] { serve(); }).detach();
  std::atexit([] { instance().close_all(); });
}

void Watchdog::add(const std::weak_ptr<Worker>& worker) {
  const std::lock_guard guard(mutex_);
  std::erase_if(workers_, [](const auto& known) { return known.expired(); });
  workers_.push_back(worker);
}

void Watchdog::arm() {
  if (armed_.load()) return;
  const std::lock_guard guard(mutex_);
  armed_.store(true);
  wake_.notify_one();
}

std::vector<std::shared_ptr<Worker>> Watchdog::workers() {
  std::vector<std::shared_ptr<Worker>> alive;
  const std::lock_guard guard(mutex_);
  for (const auto& worker : workers_) {
    if (auto strong = worker.lock()) alive.push_back(std::move(strong));
  }
  return alive;
}

void Watchdog::serve() {
  for (;;) {
    {
      std::unique_lock guard(mutex_);
      wake_.wait(guard, [this] { return armed_.load(); });
    }
    milliseconds tick;
    {
      const auto all = workers();
      tick = tick_for(all);
      // Disarmed first, and checked after: a worker that starts in between arms it again.
      armed_.store(false);
      bool busy = false;
      for (const auto& worker : all) busy = worker->check() || busy;
      if (busy) armed_.store(true);
    }
    std::this_thread::sleep_for(tick);
  }
}

void Watchdog::close_all() {
  const auto all = workers();
  const auto end = std::chrono::steady_clock::now() + kExitPatience;
  for (const auto& worker : all) worker->mute();
  for (const auto& worker : all) worker->close();
  for (const auto& worker : all) {
    const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
    worker->wait_closed(std::max(left, milliseconds::zero()));
  }
}

}  // namespace cga::tpm
