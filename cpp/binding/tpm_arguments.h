// Arguments of TPM commands, read off the signatures of core/tpm/commands.h.
#pragma once

#include <napi.h>

#include <string>
#include <tuple>
#include <type_traits>

#include "binding/arguments.h"
#include "core/tpm/commands.h"

namespace cga::binding {

/// Takes one argument after the other.
class ArgumentReader {
 public:
  ArgumentReader(const Napi::CallbackInfo& info, std::size_t first) : info_(info), next_(first) {}

  /// How each type of the core is written in JavaScript; a type that is not here does not compile.
  template <typename T>
  [[nodiscard]] T read() {
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      return uint32_argument(info_, next_++);
    } else if constexpr (std::is_same_v<T, TPM2_ALG_ID>) {
      const std::uint32_t id = uint32_argument(info_, next_++);
      if (id > UINT16_MAX) throw Error(ErrorKind::kInvalidArgument, "an algorithm is not a TPM_ALG_ID");
      return static_cast<TPM2_ALG_ID>(id);
    } else if constexpr (std::is_same_v<T, Bytes>) {
      const auto bytes = bytes_argument(info_, next_++, "bytes");
      return Bytes(bytes.begin(), bytes.end());
    } else if constexpr (std::is_same_v<T, tpm::PcrSelection>) {
      const auto bank = read<TPM2_ALG_ID>();
      return tpm::PcrSelection{bank, read<std::uint32_t>()};
    } else if constexpr (std::is_same_v<T, tpm::KeyChoice>) {
      const auto mask = read<std::uint32_t>();
      return tpm::KeyChoice{mask, read<std::uint32_t>() == 0 ? tpm::KeyTemplate::kZeros : tpm::KeyTemplate::kEmpty};
    } else {
      static_assert(std::is_same_v<T, tpm::OwnedRsaScheme>, "no JavaScript form of this type is known");
      const auto scheme = read<TPM2_ALG_ID>();
      const auto hash = read<TPM2_ALG_ID>();
      return tpm::OwnedRsaScheme{scheme, hash, read<Bytes>()};
    }
  }

 private:
  const Napi::CallbackInfo& info_;
  std::size_t next_;
};

/// A command with its arguments, ready to run on the TPM thread, more than once if its link breaks.
template <typename... Arguments>
[[nodiscard]] tpm::Worker::Work bind_command(tpm::Result (*command)(const tpm::Turn&, Arguments...),
                                             const tpm::SaltKey& salt_key, const Napi::CallbackInfo& info,
                                             std::size_t first) {
  ArgumentReader reader(info, first);
  // Braces evaluate from left to right.
  std::tuple<std::decay_t<Arguments>...> arguments{reader.read<std::decay_t<Arguments>>()...};
  return [command, salt_key, arguments = std::move(arguments), memory = tpm::Memory{}](tpm::Device& device) mutable {
    const tpm::Turn turn{device, salt_key, memory};
    return std::apply([&](const auto&... values) { return command(turn, values...); }, arguments);
  };
}

}  // namespace cga::binding
