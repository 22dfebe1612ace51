#include "binding/tpm_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "binding/errors.h"
#include "binding/tpm_arguments.h"
#include "binding/tpm_values.h"

namespace cga::binding {
namespace {

// Every method's first argument is the number that the caller gives to the job.
constexpr std::size_t kFirst = 1;
/// Instead of a job's number: the client's thread has ended.
constexpr std::uint32_t kClosed = 0;

Deliveries::Make aborted() {
  return [](Napi::Env) -> Napi::Value { throw Error(ErrorKind::kAborted, "the call was taken out of the queue"); };
}

}  // namespace

template <auto Function>
Napi::Value TpmClient::run(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return submit(info, bind_command(Function, salt_key_, info, kFirst)); });
}

template <auto Function>
TpmClient::PropertyDescriptor TpmClient::method(tpm::Command<Function> command) {
  return InstanceMethod<&TpmClient::run<Function>>(command.name);
}

Napi::Function TpmClient::define(Napi::Env env) {
  std::vector<PropertyDescriptor> methods = std::apply(
      [](const auto&... commands) { return std::vector<PropertyDescriptor>{method(commands)...}; }, tpm::kCommands);
  methods.push_back(InstanceMethod<&TpmClient::cancel>("cancel"));
  methods.push_back(InstanceMethod<&TpmClient::close>("close"));
  return DefineClass(env, "TpmClient", methods);
}

TpmClient::TpmClient(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TpmClient>(info), deliveries_(Deliveries::of(info.Env())) {
  translate(info.Env(), [&] {
    if (!info[0].IsString()) throw Error(ErrorKind::kInvalidArgument, "tcti is not a string");
    tpm::Worker::Options options;
    options.tcti = info[0].As<Napi::String>().Utf8Value();
    options.command_timeout = std::chrono::milliseconds(uint32_argument(info, 1));
    if (!info[2].IsUndefined()) {
      salt_key_.handle = uint32_argument(info, 2);
      if (salt_key_.handle == 0) throw Error(ErrorKind::kInvalidArgument, "saltKeyHandle is not a handle");
      const auto name = bytes_argument(info, 3, "saltKeyName");
      salt_key_.name.assign(name.begin(), name.end());
    }
    owner_ = deliveries_->next_owner();
    tpm::Worker::Listener listener;
    listener.done = [deliveries = deliveries_](tpm::Worker::JobId job, tpm::Outcome outcome) {
      auto shared = std::make_shared<tpm::Outcome>(std::move(outcome));
      deliveries->settle(job, [shared](Napi::Env env) {
        if (shared->error) std::rethrow_exception(shared->error);
        return to_js(env, std::move(shared->result));
      });
    };
    listener.closed = [deliveries = deliveries_, owner = owner_] {
      deliveries->settle(owner | kClosed, [](Napi::Env env) { return env.Undefined(); });
    };
    worker_ = tpm::Worker::start(std::move(options), std::move(listener));
    deliveries_->at_end(
        owner_, {[worker = worker_] {
                   worker->mute();
                   worker->close();
                 },
                 [worker = worker_](std::chrono::steady_clock::time_point limit) {
                   using std::chrono::milliseconds;
                   const auto left = limit - std::chrono::steady_clock::now();
                   worker->wait_closed(std::max(std::chrono::duration_cast<milliseconds>(left), milliseconds::zero()));
                 }});
  });
}

TpmClient::~TpmClient() {
  if (worker_ == nullptr) return;
  deliveries_->forget(owner_);
  worker_->close();
}

Napi::Value TpmClient::submit(const Napi::CallbackInfo& info, tpm::Worker::Work work) {
  const Napi::Env env = info.Env();
  const std::uint32_t job = uint32_argument(info, 0);
  if (job == kClosed || deliveries_->is_open(owner_ | job)) {
    throw Error(ErrorKind::kInvalidArgument, "a job's number is used once and is not 0");
  }
  // The client is not collected while a call is in progress.
  const Napi::Promise promise = deliveries_->open(env, owner_ | job, {info.This()});
  try {
    worker_->submit(owner_ | job, std::move(work));
  } catch (...) {
    deliveries_->withdraw(env, owner_ | job);
    throw;
  }
  return promise;
}

Napi::Value TpmClient::cancel(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const Deliveries::Number job = owner_ | uint32_argument(info, 0);
    const bool cancelled = worker_->cancel(job);
    if (cancelled) deliveries_->settle_now(info.Env(), job, aborted());
    return Napi::Boolean::New(info.Env(), cancelled);
  });
}

Napi::Value TpmClient::close(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    if (closing_.IsEmpty()) {
      closing_ = Napi::Reference<Napi::Promise>::New(deliveries_->open(info.Env(), owner_ | kClosed, {info.This()}), 1);
      worker_->close();
    }
    return closing_.Value();
  });
}

}  // namespace cga::binding
