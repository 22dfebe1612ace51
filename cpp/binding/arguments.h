// Arguments of the content encryption functions: byte views without copies.
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <string>

#include "core/error.h"

namespace cga::binding {

[[noreturn]] inline void refuse_argument(const char* name, const char* why) {
  throw Error(ErrorKind::kInvalidArgument, std::string(name) + " " + why);
}

/// The bytes of a Uint8Array or Buffer, in place.
///
/// Shared memory is refused: another thread could change a ciphertext between the check of its tag and its decryption.
/// A detached view is refused rather than taken for an empty one.
inline std::span<std::uint8_t> bytes_argument(napi_env env, napi_value value, const char* name) {
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed) refuse_argument(name, "must be a Uint8Array");
  napi_typedarray_type type{};
  std::size_t size = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &size, &data, &buffer, nullptr) != napi_ok ||
      (type != napi_uint8_array && type != napi_uint8_clamped_array)) {
    refuse_argument(name, "must be a Uint8Array");
  }
  bool ordinary = false;
  if (napi_is_arraybuffer(env, buffer, &ordinary) != napi_ok || !ordinary) {
    refuse_argument(name, "must not lie in a SharedArrayBuffer");
  }
  if (size == 0) {
    bool detached = false;
    if (napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached) {
      refuse_argument(name, "is detached");
    }
    return {};
  }
  return {static_cast<std::uint8_t*>(data), size};
}

inline std::span<std::uint8_t> bytes_argument(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
  return bytes_argument(info.Env(), info[index], name);
}

template <std::size_t Size>
std::span<std::uint8_t, Size> fixed_bytes_argument(const Napi::CallbackInfo& info, std::size_t index,
                                                   const char* name) {
  const auto bytes = bytes_argument(info, index, name);
  if (bytes.size() != Size) refuse_argument(name, "has a wrong length");
  return bytes.template first<Size>();
}

/// Output that takes exactly `size` bytes from `input`: the same memory or none of it.
inline void check_overlap(std::span<const std::uint8_t> input, std::span<const std::uint8_t> output) {
  if (input.empty() || output.empty() || input.data() == output.data()) return;
  if (input.data() < output.data() + output.size() && output.data() < input.data() + input.size()) {
    refuse_argument("output", "overlaps the input without being the same memory");
  }
}

inline std::size_t count_argument(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
  if (!info[index].IsNumber()) refuse_argument(name, "must be a number");
  const double value = info[index].As<Napi::Number>().DoubleValue();
  if (!(value >= 0) || value > 9007199254740991.0) refuse_argument(name, "is out of range");
  return static_cast<std::size_t>(value);
}

inline std::uint32_t uint32_argument(const Napi::CallbackInfo& info, std::size_t index) {
  const double value = info[index].IsNumber() ? info[index].As<Napi::Number>().DoubleValue() : -1;
  if (!(value >= 0 && value <= UINT32_MAX && std::trunc(value) == value)) {
    throw Error(ErrorKind::kInvalidArgument, "argument " + std::to_string(index) + " is not an unsigned 32-bit number");
  }
  return static_cast<std::uint32_t>(value);
}

}  // namespace cga::binding
