// Bulk work as a promise: on the core's helper threads, for which a thread of libuv's pool waits.
#pragma once

#include <napi.h>

#include <functional>
#include <initializer_list>
#include <vector>

namespace cga::binding {

/// Runs `work` off the JavaScript thread. `kept` (inputs, outputs) stay alive until it is done; they are not copied,
/// so that the caller must neither change nor transfer them meanwhile. Then runs `done`, if there is one, on the
/// JavaScript thread, and resolves with undefined; rejects with what either throws.
[[nodiscard]] Napi::Value run_bulk_job(Napi::Env env, std::initializer_list<Napi::Value> kept,
                                       std::function<void()> work, std::function<void()> done = nullptr);

}  // namespace cga::binding
