// The one way from other threads to the JavaScript thread.
#pragma once

#include <napi.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace cga::binding {

/// The promises of one JavaScript environment (the main thread, a worker) that other threads settle: the TPM threads
/// and the helpers of bulk work. libuv's pool, four threads for all files and names, has no part in it.
///
/// While a promise is open the process does not end by itself.
class Deliveries : public std::enable_shared_from_this<Deliveries> {
 public:
  /// Whoever settles a promise chooses its number: 32 bits that say who, 32 that say which.
  using Number = std::uint64_t;
  /// Makes the value that a promise resolves with, or throws what it rejects with. On the JavaScript thread.
  using Make = std::function<Napi::Value(Napi::Env)>;

  [[nodiscard]] static std::shared_ptr<Deliveries> create(Napi::Env env);
  /// Those of the environment.
  [[nodiscard]] static const std::shared_ptr<Deliveries>& of(Napi::Env env);

  // On the environment's thread:

  /// The upper half of numbers that nobody else uses in this environment.
  [[nodiscard]] Number next_owner() noexcept { return ++last_owner_ << 32; }
  /// Opens a promise. `kept` stays alive until it is settled.
  [[nodiscard]] Napi::Promise open(Napi::Env env, Number number, std::initializer_list<Napi::Value> kept);
  [[nodiscard]] bool is_open(Number number) const { return open_.contains(number); }
  /// Settles a promise at once.
  void settle_now(Napi::Env env, Number number, const Make& make);
  /// Takes back a promise that nobody has seen yet.
  void withdraw(Napi::Env env, Number number);
  /// What to do with a thread that settles promises when the environment ends.
  struct End {
    std::function<void()> stop;                                           ///< tells it
    std::function<void(std::chrono::steady_clock::time_point)> wait_for;  ///< waits for it until then
  };
  void at_end(Number owner, End end) { ends_.emplace(owner, std::move(end)); }
  void forget(Number owner) { ends_.erase(owner); }

  // On any thread:

  /// A thread works on memory of the environment, which does not end before the work has.
  void begin_work();
  void end_work();
  /// Settles a promise, if the environment still exists and nobody has settled it already.
  void settle(Number number, Make make);

 private:
  struct Promise;
  struct Delivery;
  static void on_delivery(Napi::Env env, Napi::Function callback, Deliveries* self, Delivery* delivery);
  using Channel = Napi::TypedThreadSafeFunction<Deliveries, Delivery, on_delivery>;
  void tear_down();

  // The environment's thread only:
  std::unordered_map<Number, std::unique_ptr<Promise>> open_;
  std::map<Number, End> ends_;
  Number last_owner_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable idle_;
  Channel channel_;
  std::size_t working_ = 0;
  bool ended_ = false;
};

}  // namespace cga::binding
