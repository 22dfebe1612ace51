// An addon for tests under sanitizers; it is no part of the package. It has one defect of each kind that they are to
// find: scripts/test-sanitize.sh has them found first, because a run that finds nothing proves something only then.
#include <node_api.h>

#include <climits>
#include <cstdlib>
#include <new>
#include <thread>

// sanitizer/lsan_interface.h; absent under ThreadSanitizer.
extern "C" __attribute__((weak)) int __lsan_do_recoverable_leak_check();

namespace {

/// Keeps the optimiser from seeing through what follows.
template <typename T>
T opaque(T value) {
  asm volatile("" : "+r"(value) : : "memory");
  return value;
}

/// AddressSanitizer: reads behind a block.
napi_value overflow(napi_env, napi_callback_info) {
  const std::size_t size = 8;
  auto* block = opaque(static_cast<volatile char*>(std::malloc(size)));
  (void)block[opaque(size)];
  std::free(const_cast<char*>(block));
  return nullptr;
}

/// UndefinedBehaviorSanitizer: signed overflow.
napi_value undefined(napi_env, napi_callback_info) {
  (void)opaque(opaque(INT_MAX) + 1);
  return nullptr;
}

/// LeakSanitizer: two blocks that nobody has any more.
napi_value leak(napi_env, napi_callback_info) {
  (void)opaque(std::malloc(1234));
  (void)opaque(new char[4321]);
  return nullptr;
}

/// ThreadSanitizer: the environment's thread and another one write without a lock.
napi_value race(napi_env, napi_callback_info) {
  auto* shared = new int(0);
  std::thread other([shared] { *opaque(shared) = 1; });
  *opaque(shared) = 2;
  other.join();
  delete shared;
  return nullptr;
}

/// Looks for leaks now: vitest ends its processes by a signal, which leaves LeakSanitizer no time for its own look.
napi_value check_leaks(napi_env, napi_callback_info) {
  if (__lsan_do_recoverable_leak_check != nullptr) (void)__lsan_do_recoverable_leak_check();
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"overflow", nullptr, overflow, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"undefined", nullptr, undefined, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"leak", nullptr, leak, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"race", nullptr, race, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"checkLeaks", nullptr, check_leaks, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  return napi_define_properties(env, exports, std::size(functions), functions) == napi_ok ? exports : nullptr;
}
