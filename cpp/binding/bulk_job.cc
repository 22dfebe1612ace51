#include "binding/bulk_job.h"

#include <exception>
#include <utility>

#include "binding/errors.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {
namespace {

class BulkJob final : public Napi::AsyncWorker {
 public:
  BulkJob(Napi::Env env, std::initializer_list<Napi::Value> kept, std::function<void()> work,
          std::function<void()> done)
      : Napi::AsyncWorker(env, "cga.bulk"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)),
        done_(std::move(done)) {
    for (const Napi::Value& value : kept) {
      if (value.IsObject()) kept_.push_back(Napi::Persistent(value.As<Napi::Object>()));
    }
  }

  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      run_on_helper(work_);
    } catch (...) {
      error_ = std::current_exception();
    }
    work_ = nullptr;  // Gives keys back before the JavaScript thread finds the time.
  }

  void OnOK() override {
    try {
      if (!error_ && done_) done_();
    } catch (...) {
      error_ = std::current_exception();
    }
    if (error_) {
      deferred_.Reject(make_error(Env(), error_).Value());
    } else {
      deferred_.Resolve(Env().Undefined());
    }
  }

  Napi::Promise::Deferred deferred_;
  std::vector<Napi::ObjectReference> kept_;
  std::function<void()> work_;
  std::function<void()> done_;
  std::exception_ptr error_;
};

}  // namespace

Napi::Value run_bulk_job(Napi::Env env, std::initializer_list<Napi::Value> kept, std::function<void()> work,
                         std::function<void()> done) {
  auto* const job = new BulkJob(env, kept, std::move(work), std::move(done));
  const Napi::Promise promise = job->promise();
  job->Queue();
  return promise;
}

}  // namespace cga::binding
