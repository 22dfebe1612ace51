// Many messages of a session as arguments: an array of Uint8Arrays, or one packed buffer with lengths.
#pragma once

#include <napi.h>

#include <cstdint>
#include <span>
#include <vector>

#include "binding/arguments.h"

namespace cga::binding {

struct Messages {
  std::vector<std::span<const std::uint8_t>> input;
  std::vector<std::uint8_t*> output;
};

/// Places the messages' results one behind the other in `output`, each `growth` bytes longer than its input (shorter,
/// when negative), which must fill it exactly.
inline void place(Messages& messages, std::span<std::uint8_t> output, std::ptrdiff_t growth) {
  messages.output.reserve(messages.input.size());
  std::size_t at = 0;
  for (const auto& message : messages.input) {
    const auto size = static_cast<std::ptrdiff_t>(message.size()) + growth;
    if (size < 0) throw Error(ErrorKind::kCrypto, "a message is shorter than its number and tag");
    if (static_cast<std::size_t>(size) > output.size() - at) refuse_argument("output", "is too short");
    messages.output.push_back(output.data() + at);
    at += static_cast<std::size_t>(size);
  }
  if (at != output.size()) refuse_argument("output", "is too long");
}

inline Messages array_argument(const Napi::CallbackInfo& info, std::ptrdiff_t growth) {
  if (!info[0].IsArray()) refuse_argument("messages", "must be an array");
  const auto array = info[0].As<Napi::Array>();
  const auto output = bytes_argument(info, 1, "output");
  Messages messages;
  messages.input.reserve(array.Length());
  for (std::uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::HandleScope scope(info.Env());
    messages.input.push_back(bytes_argument(info.Env(), array.Get(i), "message"));
    if (messages.input.back().data() != nullptr && messages.input.back().data() < output.data() + output.size() &&
        output.data() < messages.input.back().data() + messages.input.back().size()) {
      refuse_argument("output", "overlaps a message");
    }
  }
  place(messages, output, growth);
  return messages;
}

inline Messages packed_argument(const Napi::CallbackInfo& info, std::ptrdiff_t growth) {
  const auto packed = bytes_argument(info, 0, "packed");
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    refuse_argument("lengths", "must be a Uint32Array");
  }
  const auto lengths = info[1].As<Napi::Uint32Array>();
  const auto output = bytes_argument(info, 2, "output");
  if (packed.data() == output.data() && !packed.empty()) refuse_argument("output", "overlaps the messages");
  check_overlap(packed, output);
  Messages messages;
  messages.input.reserve(lengths.ElementLength());
  std::size_t at = 0;
  for (std::size_t i = 0; i < lengths.ElementLength(); ++i) {
    const std::size_t size = lengths.Data()[i];
    if (size > packed.size() - at) refuse_argument("lengths", "add up to more than the packed messages");
    messages.input.push_back(packed.subspan(at, size));
    at += size;
  }
  if (at != packed.size()) refuse_argument("lengths", "add up to less than the packed messages");
  place(messages, output, growth);
  return messages;
}

inline std::size_t threads_argument(const Napi::CallbackInfo& info, std::size_t index, std::size_t otherwise) {
  return info.Length() > index && !info[index].IsUndefined() ? count_argument(info, index, "threads") : otherwise;
}

}  // namespace cga::binding
