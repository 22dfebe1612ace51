#include "binding/deliveries.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "binding/environment.h"
#include "binding/errors.h"

namespace cga::binding {
namespace {

/// How long the end of an environment waits for the TPM threads to take their keys out of the TPM.
constexpr std::chrono::milliseconds kPatience{2000};

}  // namespace

struct Deliveries::Promise {
  explicit Promise(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}

  /// Whether one of the views has lost its memory: it is somebody else's now, or nobody's.
  [[nodiscard]] bool moved() const {
    return std::any_of(kept.begin(), kept.end(), [](const auto& reference) {
      const Napi::Value value = reference.Value();
      return value.IsTypedArray() && value.As<Napi::TypedArray>().ArrayBuffer().IsDetached();
    });
  }

  Napi::Promise::Deferred deferred;
  std::vector<Napi::ObjectReference> kept;
};

struct Deliveries::Delivery {
  Number number;
  Make make;
};

std::shared_ptr<Deliveries> Deliveries::create(Napi::Env env) {
  auto self = std::make_shared<Deliveries>();
  self->channel_ = Channel::New(env, "cvm-guest-attestation", 0, 1, self.get());
  self->channel_.Unref(env);
  // Registered after the channel was made: hooks run in reverse, so the channel still exists when this one runs.
  // Releasing it in a finalizer instead hangs Node 24 and 26 at exit.
  env.AddCleanupHook([self] { self->tear_down(); });
  return self;
}

const std::shared_ptr<Deliveries>& Deliveries::of(Napi::Env env) {
  return environment_of(env).deliveries;
}

Napi::Promise Deliveries::open(Napi::Env env, Number number, std::initializer_list<Napi::Value> kept) {
  auto owned = std::make_unique<Promise>(env);
  for (const Napi::Value& value : kept) owned->kept.push_back(Napi::Persistent(value.As<Napi::Object>()));
  const Napi::Promise promise = owned->deferred.Promise();
  if (open_.empty()) channel_.Ref(env);
  open_.emplace(number, std::move(owned));
  return promise;
}

void Deliveries::withdraw(Napi::Env env, Number number) {
  open_.erase(number);
  if (open_.empty()) channel_.Unref(env);
}

void Deliveries::settle_now(Napi::Env env, Number number, const Make& make) {
  const auto entry = open_.extract(number);
  if (entry.empty()) return;
  if (open_.empty()) channel_.Unref(env);
  const Promise& promise = *entry.mapped();
  try {
    Napi::Value value;
    std::exception_ptr failure;
    try {
      if (promise.moved()) {
        throw Error(ErrorKind::kInvalidArgument, "its memory was transferred before the call had ended");
      }
      value = make(env);
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      promise.deferred.Reject(make_error(env, failure).Value());
    } else {
      promise.deferred.Resolve(value);
    }
  } catch (const Napi::Error&) {
    // Only a terminating environment refuses to settle a promise.
  }
}

void Deliveries::settle(Number number, Make make) {
  auto delivery = std::make_unique<Delivery>(Delivery{number, std::move(make)});
  const std::lock_guard guard(mutex_);
  if (ended_) return;
  if (channel_.NonBlockingCall(delivery.get()) == napi_ok) (void)delivery.release();
}

void Deliveries::on_delivery(Napi::Env env, Napi::Function /*callback*/, Deliveries* self, Delivery* delivery) {
  const std::unique_ptr<Delivery> owned(delivery);
  if (env == nullptr) return;  // the environment is ending: nobody waits any more
  self->settle_now(env, owned->number, owned->make);
}

void Deliveries::begin_work() {
  const std::lock_guard guard(mutex_);
  ++working_;
}

void Deliveries::end_work() {
  const std::lock_guard guard(mutex_);
  if (--working_ == 0) idle_.notify_all();
}

void Deliveries::tear_down() {
  {
    const std::lock_guard guard(mutex_);
    ended_ = true;
  }
  for (const auto& [owner, end] : ends_) end.stop();
  const auto limit = std::chrono::steady_clock::now() + kPatience;
  for (const auto& [owner, end] : ends_) end.wait_for(limit);
  {
    // The helpers write into memory that is about to go.
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return working_ == 0; });
  }
  open_.clear();
  channel_.Release();
}

}  // namespace cga::binding
