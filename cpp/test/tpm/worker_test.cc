#include "core/tpm/worker.h"

#include <doctest/doctest.h>

#include <thread>

#include "core/tpm/capability.h"
#include "test/tpm/guest.h"
#include "test/tpm/swtpm.h"

using namespace cga;
using namespace cga::tpm;
using namespace cga::test;
using namespace std::chrono_literals;

namespace {

/// Collects what a worker reports.
class Reports {
 public:
  Worker::Listener listener() {
    return {[this](Worker::JobId id, Outcome outcome) {
              const std::lock_guard guard(mutex_);
              order_.push_back(id);
              outcomes_.emplace(id, std::move(outcome));
              changed_.notify_all();
            },
            [this] {
              const std::lock_guard guard(mutex_);
              closed_ = true;
              changed_.notify_all();
            }};
  }

  /// Kind of the job's error, nothing when it succeeded.
  std::optional<ErrorKind> wait(Worker::JobId id) {
    std::unique_lock guard(mutex_);
    if (!changed_.wait_for(guard, 60s, [&] { return outcomes_.contains(id); })) throw std::runtime_error("no report");
    if (!outcomes_.at(id).error) return std::nullopt;
    try {
      std::rethrow_exception(outcomes_.at(id).error);
    } catch (const Error& error) {
      return error.kind();
    }
  }

  bool wait_closed() {
    std::unique_lock guard(mutex_);
    return changed_.wait_for(guard, 60s, [&] { return closed_; });
  }

  std::vector<Worker::JobId> order() {
    const std::lock_guard guard(mutex_);
    return order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Worker::JobId, Outcome> outcomes_;
  std::vector<Worker::JobId> order_;
  bool closed_ = false;
};

Result read_some_pcrs(Device& device) {
  return read_pcrs(device.connection(), kPcrs);
}

/// Loads the key and leaves it.
Result load_key(Device& device) {
  return device.ephemeral_key({kPcrs}).certify(device.connection(), kAttestationKey);
}

std::size_t loaded_soon(Connection& connection) {
  std::size_t count = 0;
  for (int i = 0; i < 100 && (count = count_loaded(connection)) != 0; ++i) std::this_thread::sleep_for(10ms);
  return count;
}

}  // namespace

TEST_CASE("a worker does its jobs in order, drops cancelled ones and refuses new ones when it is closed") {
  const Swtpm swtpm;
  Reports reports;
  const auto worker = Worker::start({swtpm.tcti(), 30s}, reports.listener());
  for (Worker::JobId id = 1; id <= 50; ++id) worker->submit(id, read_some_pcrs);
  const bool cancelled = worker->cancel(50);
  CHECK_FALSE(worker->cancel(1000));
  for (Worker::JobId id = 1; id <= 49; ++id) CHECK(reports.wait(id) == std::nullopt);
  if (!cancelled) (void)reports.wait(50);
  const std::vector<Worker::JobId> order = reports.order();
  CHECK(std::is_sorted(order.begin(), order.end()));
  worker->close();
  CHECK(worker->wait_closed(60s));
  CHECK(reports.wait_closed());
  CHECK_THROWS_AS(worker->submit(51, read_some_pcrs), Error);
}

TEST_CASE("workers of one TCTI share its key, and the last one flushes it") {
  const Swtpm swtpm;
  Connection observer(swtpm.tcti(), unwatched());
  provision_attestation_key(observer);
  constexpr std::size_t kWorkers = 16;
  std::vector<Reports> reports(kWorkers);
  std::vector<std::shared_ptr<Worker>> workers;
  for (auto& each : reports) workers.push_back(Worker::start({swtpm.tcti(), 30s}, each.listener()));
  for (Worker::JobId id = 1; id <= 5; ++id) {
    for (const auto& worker : workers) worker->submit(id, load_key);
  }
  for (auto& each : reports) {
    for (Worker::JobId id = 1; id <= 5; ++id) CHECK(each.wait(id) == std::nullopt);
  }
  CHECK(count_loaded(observer) == 1);
  for (const auto& worker : workers) worker->close();
  for (const auto& worker : workers) CHECK(worker->wait_closed(60s));
  for (auto& each : reports) CHECK(each.wait_closed());
  CHECK(loaded_soon(observer) == 0);
}

TEST_CASE("a silent TPM fails the job in flight; the queue goes on when it is back; nothing is left in it") {
  const Swtpm swtpm;
  Connection observer(swtpm.tcti(), unwatched());
  provision_attestation_key(observer);
  Reports reports;
  const auto worker = Worker::start({swtpm.tcti(), 1s}, reports.listener());
  worker->submit(1, load_key);
  CHECK(reports.wait(1) == std::nullopt);
  swtpm.pause();
  worker->submit(2, load_key);
  worker->submit(3, read_some_pcrs);
  CHECK(reports.wait(2) == ErrorKind::kTimeout);
  CHECK(reports.wait(3) == ErrorKind::kTimeout);
  swtpm.resume();
  worker->submit(4, load_key);
  CHECK(reports.wait(4) == std::nullopt);
  worker->close();
  CHECK(worker->wait_closed(60s));
  CHECK(reports.wait_closed());
  CHECK(loaded_soon(observer) == 0);
}

TEST_CASE("closing does not wait for ever for a silent TPM") {
  const Swtpm swtpm;
  Reports reports;
  const auto worker = Worker::start({swtpm.tcti(), 200ms}, reports.listener());
  swtpm.pause();
  worker->submit(1, read_some_pcrs);
  worker->submit(2, read_some_pcrs);
  worker->close();
  CHECK(worker->wait_closed(60s));
  CHECK(reports.wait_closed());
  CHECK(reports.wait(1).has_value());
  CHECK(reports.wait(2) == ErrorKind::kAborted);
  swtpm.resume();
}

TEST_CASE("a TPM that is restarted in the middle is found again") {
  Swtpm swtpm;
  {
    Connection connection(swtpm.tcti(), unwatched());
    provision_attestation_key(connection);
  }
  Reports reports;
  const auto worker = Worker::start({swtpm.tcti(), 30s}, reports.listener());
  for (Worker::JobId id = 1; id <= 20; ++id) worker->submit(id, load_key);
  (void)reports.wait(1);
  swtpm.restart();
  for (Worker::JobId id = 1; id <= 20; ++id) CHECK(reports.wait(id) == std::nullopt);
  worker->close();
  CHECK(worker->wait_closed(60s));
  CHECK(reports.wait_closed());
}

TEST_CASE("a call waits no longer than the retry table says") {
  CommandClock clock;
  clock.begin_call();
  std::chrono::milliseconds waited{0};
  while (clock.spend(std::chrono::milliseconds(20))) waited += std::chrono::milliseconds(20);
  CHECK(waited == retry::kBusy.patience);

  // Once the client is being closed, what is left is cut, and stays cut.
  clock.begin_call();
  CHECK(clock.spend(std::chrono::milliseconds(100)));
  clock.interrupt();
  waited = std::chrono::milliseconds(0);
  while (clock.spend(std::chrono::milliseconds(20))) waited += std::chrono::milliseconds(20);
  CHECK(waited == retry::kBusy.closing_patience);
  clock.begin_call();
  CHECK_FALSE(clock.spend(retry::kBusy.closing_patience + std::chrono::milliseconds(1)));
  CHECK(clock.spend(retry::kBusy.closing_patience));
}
