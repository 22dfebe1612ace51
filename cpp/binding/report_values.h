// Conversions shared by the report binding.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "binding/errors.h"
#include "core/report/bytes.h"

namespace cga::binding {

/// The argument's bytes, valid for the length of a synchronous call. Throws kInvalidArgument for anything else.
[[nodiscard]] inline Bytes byte_argument(const Napi::Value& value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    throw Error(ErrorKind::kInvalidArgument, "a Uint8Array is needed");
  }
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

[[nodiscard]] inline Napi::Uint8Array copy_bytes(Napi::Env env, Bytes bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), array.Data());
  return array;
}

[[nodiscard]] inline std::string hex(Bytes bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace cga::binding
