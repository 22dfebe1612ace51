// What the TPM binding keeps for one JavaScript environment (the main thread, a worker).
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "core/tpm/worker.h"

namespace cga::binding {

class TpmClient;

/// Takes what the TPM threads report to the environment's own thread, and ends them when the environment ends.
class TpmEnvironment : public std::enable_shared_from_this<TpmEnvironment> {
 public:
  using ClientId = std::uint64_t;

  [[nodiscard]] static std::shared_ptr<TpmEnvironment> create(Napi::Env env);

  // On the environment's thread:
  [[nodiscard]] ClientId next_id() noexcept { return ++last_id_; }
  void add(ClientId id, TpmClient& client, const std::shared_ptr<tpm::Worker>& worker);
  void remove(ClientId id);
  /// A call is under way: the process does not end by itself before it is settled.
  void hold(Napi::Env env);
  void release(Napi::Env env);

  /// Instead of a job's number: the client's thread has ended.
  static constexpr tpm::Worker::JobId kClosed = 0;

  /// On any thread.
  void deliver(ClientId client, tpm::Worker::JobId job, tpm::Outcome outcome);

 private:
  struct Delivery {
    ClientId client;
    tpm::Worker::JobId job;
    tpm::Outcome outcome;
  };
  static void on_delivery(Napi::Env env, Napi::Function callback, TpmEnvironment* self, Delivery* delivery);
  using Channel = Napi::TypedThreadSafeFunction<TpmEnvironment, Delivery, on_delivery>;

  void tear_down();

  struct Entry {
    TpmClient* client;
    std::shared_ptr<tpm::Worker> worker;
  };
  std::map<ClientId, Entry> clients_;
  ClientId last_id_ = 0;
  std::size_t held_ = 0;

  std::mutex mutex_;  // guards channel_ and ended_
  Channel channel_;
  bool ended_ = false;
};

}  // namespace cga::binding
