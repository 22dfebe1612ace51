#include "binding/tpm_environment.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "binding/tpm_client.h"

namespace cga::binding {
namespace {

/// How long the end of an environment waits for the TPM threads to take their keys out of the TPM.
constexpr std::chrono::milliseconds kPatience{2000};

}  // namespace

std::shared_ptr<TpmEnvironment> TpmEnvironment::create(Napi::Env env) {
  auto self = std::make_shared<TpmEnvironment>();
  self->channel_ = Channel::New(env, "cvm-guest-attestation TPM", 0, 1, self.get());
  self->channel_.Unref(env);
  // Registered after the channel was made: hooks run in reverse, so the channel still exists when this one runs.
  // Releasing it in a finalizer instead hangs Node 24 and 26 at exit.
  env.AddCleanupHook([self] { self->tear_down(); });
  return self;
}

void TpmEnvironment::add(ClientId id, TpmClient& client, const std::shared_ptr<tpm::Worker>& worker) {
  clients_.emplace(id, Entry{&client, worker});
}

void TpmEnvironment::remove(ClientId id) {
  clients_.erase(id);
}

void TpmEnvironment::hold(Napi::Env env) {
  if (held_++ == 0) channel_.Ref(env);
}

void TpmEnvironment::release(Napi::Env env) {
  if (--held_ == 0) channel_.Unref(env);
}

void TpmEnvironment::deliver(ClientId client, tpm::Worker::JobId job, tpm::Outcome outcome) {
  auto delivery = std::make_unique<Delivery>(Delivery{client, job, std::move(outcome)});
  const std::lock_guard guard(mutex_);
  if (ended_) return;
  if (channel_.NonBlockingCall(delivery.get()) == napi_ok) (void)delivery.release();
}

void TpmEnvironment::on_delivery(Napi::Env env, Napi::Function /*callback*/, TpmEnvironment* self, Delivery* delivery) {
  const std::unique_ptr<Delivery> owned(delivery);
  if (env == nullptr) return;  // the environment is ending: nobody waits any more
  const auto entry = self->clients_.find(owned->client);
  if (entry == self->clients_.end()) return;
  TpmClient& client = *entry->second.client;
  try {
    if (owned->job == kClosed) {
      client.on_closed(env);
    } else {
      client.on_done(env, owned->job, std::move(owned->outcome));
    }
  } catch (const Napi::Error&) {
    // Only a terminating environment refuses to settle a promise.
  }
}

void TpmEnvironment::tear_down() {
  {
    const std::lock_guard guard(mutex_);
    ended_ = true;
  }
  for (const auto& [id, entry] : clients_) {
    entry.worker->mute();
    entry.worker->close();
  }
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (const auto& [id, entry] : clients_) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    entry.worker->wait_closed(std::max(left, std::chrono::milliseconds::zero()));
  }
  channel_.Release();
}

}  // namespace cga::binding
