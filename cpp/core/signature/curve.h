// The elliptic curves of the structures that are verified.
#pragma once

#include <cstdint>

namespace cga::signature {

enum class Curve : std::uint8_t { kP256, kP384, kP521 };

}  // namespace cga::signature
