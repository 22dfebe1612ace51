// Memory for results of many megabytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/bytes.h"

namespace cga::crypto {

/// What x86-64 and arm64 (with pages of 4 KiB) call a huge page.
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

/// Asks for huge pages where whole ones fit into `memory`, before it is touched. Fresh memory costs a page fault for
/// each 4 KiB, which is more than AES costs; for 2 MiB at a time it does not. Never fails: it is advice.
void want_huge_pages(std::span<std::uint8_t> memory) noexcept;

/// Bytes before the first address in `memory` at which a huge page may begin.
[[nodiscard]] std::size_t before_huge_page(ByteView memory) noexcept;

}  // namespace cga::crypto
