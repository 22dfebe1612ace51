// Accessors that check whose object they are called on.
#pragma once

#include <napi.h>

#include "binding/errors.h"

namespace cga::binding {

/// A read-only property of a class. V8 checks the receiver of a method, and not that of an accessor: taken from one
/// prototype and called on an object of another class, it would read native memory of the wrong type. `Class::kTag`
/// tells the objects, which their constructor has to mark with it.
template <typename Class, Napi::Value (Class::*Get)(const Napi::CallbackInfo&)>
[[nodiscard]] Napi::ClassPropertyDescriptor<Class> accessor(const char* name) {
  napi_property_descriptor property{};
  property.utf8name = name;
  property.attributes = napi_enumerable;
  property.getter = [](napi_env env, napi_callback_info raw) -> napi_value {
    return Napi::details::WrapCallback(env, [&] {
      const Napi::CallbackInfo info(env, raw);
      return translate(env, [&]() -> napi_value {
        const Napi::Value receiver = info.This();
        if (!receiver.IsObject() || !receiver.As<Napi::Object>().CheckTypeTag(&Class::kTag)) {
          throw Error(ErrorKind::kInvalidArgument, "the accessor was called on another class' object");
        }
        return (Class::Unwrap(receiver.As<Napi::Object>())->*Get)(info);
      });
    });
  };
  return Napi::ClassPropertyDescriptor<Class>(property);
}

}  // namespace cga::binding
