// The one place where a C++ exception becomes a JavaScript error.
#pragma once

#include <napi.h>

#include <exception>
#include <utility>

#include "core/error.h"

namespace cga::binding {

/// A JavaScript Error with the properties of `NativeError` in binding.d.ts.
[[nodiscard]] Napi::Error make_error(Napi::Env env, const Error& error);
[[nodiscard]] Napi::Error make_error(Napi::Env env, const std::exception_ptr& error);

/// Runs a synchronous native function and translates what it throws.
template <typename Function>
auto translate(Napi::Env env, Function&& function) {
  try {
    return std::forward<Function>(function)();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw make_error(env, std::current_exception());
  }
}

}  // namespace cga::binding
