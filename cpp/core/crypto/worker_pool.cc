#include "core/crypto/worker_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

namespace cga::crypto {
namespace {

/// Above that of the process: a third of the processor's time when the rest of it wants it as well, all of it
/// otherwise.
constexpr int kHelperNiceness = 5;
/// How long a thread looks for work, or for the end of a job, before it sleeps. Waking it up takes about as long, which
/// is a third of the time of a stream's piece of 1 MiB.
constexpr std::chrono::microseconds kPatience{60};

/// Waits for `condition` for a moment, leaving the processor to whoever else wants it.
template <typename Condition>
void look_for(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

struct Job {
  Job(std::size_t tasks, std::size_t helpers, const std::function<void(std::size_t)>& work)
      : count(tasks), helpers_wanted(helpers), task(work) {}

  const std::size_t count;
  std::size_t helpers_wanted;                  // guarded by the pool's mutex
  std::atomic<std::size_t> helpers_inside{0};  // changed under the pool's mutex
  const std::function<void(std::size_t)>& task;
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;  // written once, by whoever set `failed`

  void work() noexcept {
    for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
      if (failed.load(std::memory_order_relaxed)) continue;
      try {
        task(i);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
};

class Pool {
 public:
  /// Never destroyed: its threads sleep in it until the process ends.
  static Pool& instance() {
    static Pool* const pool = new Pool;
    return *pool;
  }

  /// False, with the task left as it is, when no thread could be started.
  [[nodiscard]] bool post(std::function<void()>& task) {
    const std::lock_guard lock(mutex_);
    start_helpers(available_cores());
    if (started_ == 0) return false;
    posted_.push_back(std::move(task));
    count_work();
    wake_.notify_one();
    return true;
  }

  void run(Job& job) {
    const std::size_t helpers = job.helpers_wanted;
    {
      const std::lock_guard lock(mutex_);
      start_helpers(helpers);
      enqueue(job);
    }
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    job.work();
    std::unique_lock lock(mutex_);
    dequeue(job);  // No helper comes in any more; those inside still use it.
    if (job.helpers_inside != 0) {
      lock.unlock();
      look_for([&job] { return job.helpers_inside == 0; });
      lock.lock();
    }
    done_.wait(lock, [&job] { return job.helpers_inside == 0; });
  }

 private:
  void start_helpers(std::size_t wanted) {
    const std::size_t limit = std::min(wanted, available_cores());
    if (started_ >= limit) return;
    // Signals are for the threads of the host program.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; started_ < limit; ++started_) std::thread([this] { help(); }).detach();
    } catch (const std::exception&) {
      // Without threads or memory to spare the caller does the work alone, its signals unblocked again.
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void help() noexcept {
    pthread_setname_np(pthread_self(), "cga-crypto");
    // Linux keeps the niceness of each thread apart from the others'.
    const auto self = static_cast<id_t>(syscall(SYS_gettid));
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kHelperNiceness);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !queue_.empty() || !posted_.empty(); });
      if (!queue_.empty()) {
        join_in(*queue_.front(), lock);
      } else {
        run_posted(lock);
      }
      lock.unlock();
      look_for([this] { return waiting_ != 0; });
      lock.lock();
    }
  }

  void join_in(Job& job, std::unique_lock<std::mutex>& lock) {
    if (--job.helpers_wanted == 0) dequeue(job);
    ++job.helpers_inside;
    lock.unlock();
    job.work();
    lock.lock();
    // All tasks are taken: nobody else need look at this job.
    dequeue(job);
    if (--job.helpers_inside == 0) done_.notify_all();
  }

  void run_posted(std::unique_lock<std::mutex>& lock) {
    std::function<void()> task = std::move(posted_.front());
    posted_.pop_front();
    count_work();
    lock.unlock();
    task();
    task = nullptr;  // Not under the lock: what it holds may be much.
    lock.lock();
  }

  void enqueue(Job& job) {
    queue_.push_back(&job);
    count_work();
  }

  void dequeue(Job& job) noexcept {
    std::erase(queue_, &job);
    count_work();
  }

  void count_work() noexcept { waiting_ = queue_.size() + posted_.size(); }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::deque<Job*> queue_;
  std::deque<std::function<void()>> posted_;
  std::atomic<std::size_t> waiting_{0};  // in both queues, for those who look without the mutex
  std::size_t started_ = 0;
};

}  // namespace

std::size_t available_cores() noexcept {
  static const std::size_t cores = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<std::size_t>(std::max(CPU_COUNT(&set), 1));
    return static_cast<std::size_t>(std::max(std::thread::hardware_concurrency(), 1U));
  }();
  return cores;
}

void run_parallel(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& task) {
  const std::size_t useful = std::min({count, threads, available_cores()});
  Job job(count, useful > 0 ? useful - 1 : 0, task);
  if (job.helpers_wanted == 0) {
    job.work();
  } else {
    Pool::instance().run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

void run_on_helper(std::function<void()> task) {
  if (!Pool::instance().post(task)) task();
}

bool try_run_on_helper(std::function<void()> task) {
  return Pool::instance().post(task);
}

}  // namespace cga::crypto
