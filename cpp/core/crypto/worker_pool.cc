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
/// Helpers beyond the number of cores, which come in the place of threads that do not run. Where every core is busy at
/// the moment when a helper is woken, be it with an event loop that is about to sleep, the kernel puts it behind the
/// thread that called it, or the other way round, and leaves both there for milliseconds while another core has fallen
/// idle. One that is woken then goes to that core.
constexpr std::size_t kSpareHelpers = 2;
/// How long work is left waiting until one more helper is called.
constexpr std::chrono::microseconds kCallAgainAfter{100};

/// Waits for `condition` for a moment, leaving the processor to whoever else wants it.
template <typename Condition>
void look_for(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
}

struct Job {
  Job(std::size_t tasks, std::size_t threads, const std::function<void(std::size_t)>& work)
      : count(tasks), threads_wanted(threads), task(work) {}

  const std::size_t count;
  std::size_t threads_wanted;                  // the caller's among them; guarded by the pool's mutex
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

  void call_again() noexcept {
    if (waiting_ == 0) return;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    auto last = last_call_.load();
    if (now - last >= kCallAgainAfter && last_call_.compare_exchange_strong(last, now)) wake_.notify_one();
  }

  void run(Job& job) {
    const std::size_t helpers = job.threads_wanted - 1;
    std::unique_lock lock(mutex_);
    start_helpers(helpers);
    enqueue(job);
    lock.unlock();
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
    lock.lock();
    if (admit(job)) {
      lock.unlock();
      job.work();
      lock.lock();
    }
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
    const std::size_t cores = available_cores();
    const std::size_t limit = std::min(wanted, cores) + (cores > 1 ? kSpareHelpers : 0);
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
      wake_.wait(lock, [this] { return !queue_.empty() || may_run_posted(); });
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
    if (!admit(job)) return;
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
    ++running_posted_;
    count_work();
    lock.unlock();
    task();
    task = nullptr;  // Not under the lock: what it holds may be much.
    lock.lock();
    --running_posted_;
    count_work();
  }

  /// Spare helpers are for the parts of jobs: of whole ones there are no more at a time than cores.
  [[nodiscard]] bool may_run_posted() const { return !posted_.empty() && running_posted_ < available_cores(); }

  /// Lets a thread into the job, unless others have come in its place.
  [[nodiscard]] bool admit(Job& job) {
    if (job.threads_wanted == 0) return false;
    if (--job.threads_wanted == 0) dequeue(job);
    return true;
  }

  void enqueue(Job& job) {
    queue_.push_back(&job);
    last_call_ = std::chrono::steady_clock::now().time_since_epoch();
    count_work();
  }

  void dequeue(Job& job) noexcept {
    std::erase(queue_, &job);
    count_work();
  }

  void count_work() noexcept { waiting_ = queue_.size() + (may_run_posted() ? posted_.size() : 0); }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::deque<Job*> queue_;
  std::deque<std::function<void()>> posted_;
  std::atomic<std::size_t> waiting_{0};  // what a helper would find, for those who look without the mutex
  std::atomic<std::chrono::steady_clock::duration> last_call_{};
  std::size_t running_posted_ = 0;
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
  Job job(count, useful, task);
  if (useful <= 1) {
    job.work();
  } else {
    Pool::instance().run(job);
  }
  if (job.error) std::rethrow_exception(job.error);
}

void call_helpers_again() noexcept {
  Pool::instance().call_again();
}

void run_on_helper(std::function<void()> task) {
  if (!Pool::instance().post(task)) task();
}

bool try_run_on_helper(std::function<void()> task) {
  return Pool::instance().post(task);
}

}  // namespace cga::crypto
