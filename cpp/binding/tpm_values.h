// Values of the TPM core and their JavaScript form (binding.d.ts).
#pragma once

#include <napi.h>

#include "core/tpm/result.h"

namespace cga::binding {

/// Unsigned 32-bit argument number `index`. @throws Error kInvalidArgument
[[nodiscard]] std::uint32_t uint32_argument(const Napi::CallbackInfo& info, std::size_t index, const char* name);
/// Copy of a Uint8Array argument: the caller may change his after the call. @throws Error kInvalidArgument
[[nodiscard]] tpm::Bytes copied_bytes_argument(const Napi::CallbackInfo& info, std::size_t index, const char* name);

[[nodiscard]] Napi::Value to_js(Napi::Env env, const tpm::Result& result);

}  // namespace cga::binding
