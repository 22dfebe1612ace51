// What the binding keeps for one JavaScript environment (the main thread, a worker).
#pragma once

#include <napi.h>

#include <memory>

#include "binding/deliveries.h"

namespace cga::binding {

struct Environment {
  std::shared_ptr<Deliveries> deliveries;
  /// The constructor of SecretBuffer: the addon makes such objects itself.
  Napi::FunctionReference secret_buffer;
};

[[nodiscard]] inline Environment& environment_of(Napi::Env env) {
  return *env.GetInstanceData<Environment>();
}

}  // namespace cga::binding
