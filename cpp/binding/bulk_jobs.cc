#include "binding/bulk_jobs.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "binding/errors.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {

struct BulkJobs::Job {
  Napi::Promise::Deferred deferred;
  std::vector<Napi::Reference<Napi::TypedArray>> kept;
  std::function<void()> work;
  std::function<void()> done;
  std::exception_ptr error;

  /// Whether one of the views has lost its memory: it is somebody else's now, or nobody's.
  [[nodiscard]] bool moved() const {
    return std::any_of(kept.begin(), kept.end(),
                       [](const auto& view) { return view.Value().ArrayBuffer().IsDetached(); });
  }
};

void BulkJobs::create(Napi::Env env) {
  auto self = std::make_shared<BulkJobs>();
  self->channel_ = Channel::New(env, "cvm-guest-attestation bulk work", 0, 1, self.get());
  self->channel_.Unref(env);
  // Registered after the channel was made: hooks run in reverse, so the channel still exists when this one runs.
  env.AddCleanupHook([self] { self->tear_down(); });
  env.SetInstanceData<std::shared_ptr<BulkJobs>>(new std::shared_ptr<BulkJobs>(self));
}

Napi::Value BulkJobs::run(Napi::Env env, std::initializer_list<Napi::Value> kept, std::function<void()> work,
                          std::function<void()> done) {
  const std::shared_ptr<BulkJobs> self = *env.GetInstanceData<std::shared_ptr<BulkJobs>>();
  auto owned =
      std::make_unique<Job>(Job{Napi::Promise::Deferred::New(env), {}, std::move(work), std::move(done), nullptr});
  for (const Napi::Value& value : kept) {
    owned->kept.push_back(Napi::Persistent(value.As<Napi::TypedArray>()));
  }
  Job& job = *owned;
  // The process does not end by itself before the promise is settled.
  if (self->jobs_.empty()) self->channel_.Ref(env);
  self->jobs_.emplace(&job, std::move(owned));
  {
    const std::lock_guard guard(self->mutex_);
    ++self->running_;
  }
  const Napi::Promise promise = job.deferred.Promise();
  try {
    run_on_helper([self, &job] { self->execute(job); });
  } catch (...) {
    // No memory to put it into the queue. Counted as under way, it would keep the environment from ending.
    self->withdraw(env, job);
    throw;
  }
  return promise;
}

void BulkJobs::withdraw(Napi::Env env, Job& job) {
  {
    const std::lock_guard guard(mutex_);
    --running_;
  }
  jobs_.erase(&job);
  if (jobs_.empty()) channel_.Unref(env);
}

void BulkJobs::execute(Job& job) {
  try {
    job.work();
  } catch (...) {
    job.error = std::current_exception();
  }
  job.work = nullptr;  // Gives keys back before the JavaScript thread finds the time.
  const std::lock_guard guard(mutex_);
  if (!ended_) channel_.NonBlockingCall(&job);
  if (--running_ == 0) idle_.notify_all();
}

void BulkJobs::on_ended(Napi::Env env, Napi::Function /*callback*/, BulkJobs* self, Job* job) {
  if (env == nullptr) return;  // the environment is ending: tear_down() had the jobs
  const auto entry = self->jobs_.extract(job);
  if (self->jobs_.empty()) self->channel_.Unref(env);
  try {
    self->settle(env, *entry.mapped());
  } catch (const Napi::Error&) {
    // Only a terminating environment refuses to settle a promise.
  }
}

void BulkJobs::settle(Napi::Env env, Job& job) {
  try {
    if (job.moved()) throw Error(ErrorKind::kInvalidArgument, "its memory was transferred before the call had ended");
    if (!job.error && job.done) job.done();
  } catch (...) {
    job.error = std::current_exception();
  }
  if (job.error) {
    job.deferred.Reject(make_error(env, job.error).Value());
  } else {
    job.deferred.Resolve(env.Undefined());
  }
}

void BulkJobs::tear_down() {
  {
    std::unique_lock lock(mutex_);
    ended_ = true;
    // The helpers write into memory that is about to go.
    idle_.wait(lock, [this] { return running_ == 0; });
  }
  jobs_.clear();
  channel_.Release();
}

}  // namespace cga::binding
