#include "core/tpm/worker.h"

#include <algorithm>
#include <thread>

#include "core/tpm/tss.h"
#include "core/tpm/watchdog.h"

namespace cga::tpm {
namespace {

std::exception_ptr error(ErrorKind kind, const std::string& message) {
  return std::make_exception_ptr(Error(kind, message));
}

}  // namespace

std::shared_ptr<Worker> Worker::start(Options options, Listener listener) {
  silence_tss();
  auto worker = std::make_shared<Worker>(std::move(options), std::move(listener));
  Watchdog::instance().add(worker);
  const std::lock_guard guard(worker->mutex_);
  worker->launch();
  return worker;
}

void Worker::launch() {
  lane_ = std::make_shared<Lane>();
  // Detached: nobody waits for a thread that a silent TPM may hold for ever.
  std::thread([self = shared_from_this(), lane = lane_] { self->serve(lane); }).detach();
}

void Worker::submit(JobId id, Work work) {
  {
    const std::lock_guard guard(mutex_);
    if (closing_) throw Error(ErrorKind::kAborted, "the TPM client is closed");
    if (queue_.size() >= kMaximumQueue) throw Error(ErrorKind::kInternal, "too many TPM calls are waiting");
    queue_.push_back({id, std::move(work)});
  }
  // Not under the lock, which the thread would wake up to wait for.
  wake_.notify_one();
}

bool Worker::cancel(JobId id) {
  const std::lock_guard guard(mutex_);
  return std::erase_if(queue_, [id](const Job& job) { return job.id == id; }) > 0;
}

void Worker::close() {
  Guard guard(mutex_);
  if (closing_) return;
  closing_ = true;
  std::deque<Job> dropped;
  dropped.swap(queue_);
  lane_->clock.interrupt();
  wake_.notify_one();
  for (const Job& job : dropped) report(guard, job.id, {{}, error(ErrorKind::kAborted, "the TPM client is closed")});
}

bool Worker::wait_closed(std::chrono::milliseconds timeout) {
  Guard guard(mutex_);
  return ended_.wait_for(guard, timeout, [this] { return closed_; });
}

void Worker::mute() {
  const std::lock_guard guard(mutex_);
  muted_ = true;
}

void Worker::report(Guard& guard, JobId id, Outcome outcome) {
  if (muted_) return;
  guard.unlock();
  listener_.done(id, std::move(outcome));
  guard.lock();
}

void Worker::report_closed(Guard& guard) {
  closed_ = true;
  ended_.notify_all();
  if (muted_) return;
  guard.unlock();
  listener_.closed();
  guard.lock();
}

void Worker::serve(const std::shared_ptr<Lane>& lane) {
  Guard guard(mutex_);
  while (!lane->abandoned) {
    if (!queue_.empty()) {
      perform(lane, guard);
    } else if (closing_) {
      finish(lane, guard);
      return;
    } else {
      rest(lane, guard);
    }
  }
  std::shared_ptr<Device> device = std::move(lane->device);
  guard.unlock();
  // The TPM has answered after all: nobody waits for this thread, but what it has in the TPM goes.
  CommandClock unwatched;
  Device::leave(std::move(device), unwatched);
}

void Worker::perform(const std::shared_ptr<Lane>& lane, Guard& guard) {
  Job job = std::move(queue_.front());
  queue_.pop_front();
  lane->job = job.id;
  lane->has_job = lane->busy = true;
  guard.unlock();
  Watchdog::instance().arm();
  Outcome outcome = execute(lane, job.work);
  guard.lock();
  lane->busy = false;
  if (lane->abandoned) return;  // reported as timed out already
  lane->has_job = false;
  report(guard, job.id, std::move(outcome));
}

Outcome Worker::execute(const std::shared_ptr<Lane>& lane, const Work& work) {
  Outcome outcome;
  try {
    for (;;) {
      std::shared_ptr<Device> device;
      {
        const Guard guard(mutex_);
        if (lane->abandoned) return outcome;
        if (!lane->device) lane->device = Device::shared(options_.tcti);
        device = lane->device;
      }
      if (device->run(lane->clock, [&](Device& held) { outcome.result = work(held); })) return outcome;
      {
        const Guard guard(mutex_);
        lane->device.reset();
      }
      Device::leave(std::move(device), lane->clock);
    }
  } catch (...) {
    outcome.error = std::current_exception();
  }
  return outcome;
}

void Worker::rest(const std::shared_ptr<Lane>& lane, Guard& guard) {
  const std::shared_ptr<Device> device = lane->device;
  if (!device || !device->wants_parking()) {
    wake_.wait(guard);
    return;
  }
  if (wake_.wait_for(guard, Device::kIdle + std::chrono::milliseconds(10)) != std::cv_status::timeout) return;
  if (!queue_.empty() || closing_ || lane->abandoned) return;
  lane->busy = true;
  guard.unlock();
  Watchdog::instance().arm();
  try {
    device->park_if_idle(lane->clock);
  } catch (const Error&) {
    // The next job finds out what is wrong and reports it.
  }
  guard.lock();
  lane->busy = false;
}

void Worker::finish(const std::shared_ptr<Lane>& lane, Guard& guard) {
  std::shared_ptr<Device> device = lane->device;
  lane->busy = true;
  guard.unlock();
  Watchdog::instance().arm();
  guard.lock();
  lane->device.reset();
  guard.unlock();
  Device::leave(std::move(device), lane->clock);  // the last user flushes the key
  guard.lock();
  lane->busy = false;
  if (!lane->abandoned) report_closed(guard);
}

bool Worker::check() {
  Guard guard(mutex_);
  const std::shared_ptr<Lane> lane = lane_;
  if (!lane->busy) return false;
  if (lane->clock.running() <= options_.command_timeout) return true;
  if (!closing_) {
    try {
      launch();
    } catch (const std::exception&) {
      // No thread to be had: looked for again at the next tick, and until then the job waits as it is.
      lane_ = lane;
      return true;
    }
  }
  lane->abandoned = true;
  lane->clock.abandon();
  if (lane->device) lane->device->retire();
  const bool has_job = lane->has_job;
  if (has_job) {
    report(guard, lane->job,
           {{},
            error(ErrorKind::kTimeout,
                  "the TPM did not answer within " + std::to_string(options_.command_timeout.count()) + " ms")});
  }
  if (closing_ && !closed_ && lane_ == lane) report_closed(guard);
  return !closed_;
}

}  // namespace cga::tpm
