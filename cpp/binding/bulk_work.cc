#include "binding/bulk_work.h"

#include <exception>
#include <memory>
#include <utility>

#include "binding/deliveries.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {

Napi::Value run_bulk(Napi::Env env, std::initializer_list<Napi::Value> kept, std::function<void()> work,
                     std::function<void()> done) {
  const std::shared_ptr<Deliveries>& deliveries = Deliveries::of(env);
  const Deliveries::Number number = deliveries->next_owner();
  const Napi::Promise promise = deliveries->open(env, number, kept);
  deliveries->begin_work();
  try {
    crypto::run_on_helper([deliveries, number, work = std::move(work), done = std::move(done)]() mutable {
      std::exception_ptr error;
      try {
        work();
      } catch (...) {
        error = std::current_exception();
      }
      work = nullptr;  // Gives keys back before the JavaScript thread finds the time.
      try {
        deliveries->settle(number, [error, done = std::move(done)](Napi::Env js) -> Napi::Value {
          if (error) std::rethrow_exception(error);
          if (done) done();
          return js.Undefined();
        });
      } catch (const std::bad_alloc&) {
        // Nobody can be told; the environment ends all the same.
      }
      deliveries->end_work();
    });
  } catch (...) {
    // No memory to put it into the queue. Counted as in progress, it would keep the environment from ending.
    deliveries->end_work();
    deliveries->withdraw(env, number);
    throw;
  }
  return promise;
}

}  // namespace cga::binding
