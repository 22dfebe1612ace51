// Bulk work as promises: on the core's helper threads.
#pragma once

#include <napi.h>

#include <functional>
#include <initializer_list>

namespace cga::binding {

/// Runs `work` off the JavaScript thread. `kept` (views: inputs, outputs) stay alive until it is done; they are not
/// copied, so that the caller must neither change nor transfer them meanwhile. Node-API has nothing to keep their
/// memory with: when it was transferred, this finds out afterwards at best and rejects with kInvalidArgument. Then runs
/// `done`, if there is one, on the JavaScript thread, and resolves with undefined; rejects with what either throws.
///
/// An environment does not end before its work has.
[[nodiscard]] Napi::Value run_bulk(Napi::Env env, std::initializer_list<Napi::Value> kept, std::function<void()> work,
                                   std::function<void()> done = nullptr);

}  // namespace cga::binding
