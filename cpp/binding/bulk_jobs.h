// Bulk work as promises: on the core's helper threads.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <unordered_map>

namespace cga::binding {

/// The bulk work of one JavaScript environment (the main thread, a worker). It goes to the helpers and comes back from
/// them directly: libuv's pool, four threads for all files and names, has no part in it.
class BulkJobs : public std::enable_shared_from_this<BulkJobs> {
 public:
  /// Once for each environment.
  static void create(Napi::Env env);

  /// Runs `work` off the JavaScript thread. `kept` (views: inputs, outputs) stay alive until it is done; they are not
  /// copied, so that the caller must neither change nor transfer them meanwhile. Node-API has nothing to keep their
  /// memory with: when it was transferred, this finds out afterwards at best and rejects with kInvalidArgument. Then
  /// runs `done`, if there is one, on the JavaScript thread, and resolves with undefined; rejects with what either
  /// throws.
  ///
  /// An environment does not end before its work has.
  [[nodiscard]] static Napi::Value run(Napi::Env env, std::initializer_list<Napi::Value> kept,
                                       std::function<void()> work, std::function<void()> done = nullptr);

 private:
  struct Job;
  static void on_ended(Napi::Env env, Napi::Function callback, BulkJobs* self, Job* job);
  using Channel = Napi::TypedThreadSafeFunction<BulkJobs, Job, on_ended>;

  void withdraw(Napi::Env env, Job& job);
  /// On a helper.
  void execute(Job& job);
  void settle(Napi::Env env, Job& job);
  void tear_down();

  // The environment's thread only:
  std::unordered_map<Job*, std::unique_ptr<Job>> jobs_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable idle_;
  Channel channel_;
  std::size_t running_ = 0;
  bool ended_ = false;
};

}  // namespace cga::binding
