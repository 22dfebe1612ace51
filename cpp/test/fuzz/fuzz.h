// What every fuzz target has in common.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "core/error.h"
#include "core/openssl.h"

namespace cga::fuzz {

using Input = std::span<const std::uint8_t>;

/// Stops the run: what must hold for every input does not hold for this one.
inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Whether `part` lies inside `whole`: what a parser hands out must point into what it was given.
[[nodiscard]] inline bool inside(Input part, Input whole) {
  if (part.empty()) return true;
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

/// Runs `parse`, which may refuse its input with a typed error and in no other way.
template <typename Function>
void expect_typed(Function&& parse) {
  static const bool ready = [] {
    initialize_openssl();
    return true;
  }();
  require(ready);
  try {
    parse();
  } catch (const Error& error) {
    require(error.kind() != ErrorKind::kInternal);
    require(error.what()[0] != '\0');
  }
}

}  // namespace cga::fuzz
