#include "core/crypto/work_ranges.h"

#include <algorithm>

#include "core/error.h"

namespace cga::crypto {

WorkRanges::WorkRanges(std::size_t count, std::size_t workers) : ranges_(std::max<std::size_t>(workers, 1)) {
  if (count > kMax) throw Error(ErrorKind::kInternal, "more work than there are indices");
  const std::uint64_t shares = ranges_.size();
  for (std::uint64_t i = 0; i < shares; ++i) {
    ranges_[i].assign(static_cast<std::uint32_t>(count * i / shares),
                      static_cast<std::uint32_t>(count * (i + 1) / shares));
  }
}

std::optional<std::size_t> WorkRanges::next(std::size_t worker) noexcept {
  Range& own = ranges_[worker];
  for (;;) {
    if (const auto index = own.take_first()) return *index;
    Range* largest = nullptr;
    std::uint32_t most = 0;
    for (Range& range : ranges_) {
      const std::uint32_t left = range.left();
      if (left > most) {
        most = left;
        largest = &range;
      }
    }
    // What another worker is moving into its own range at this moment is in none, and for that worker to do.
    if (largest == nullptr) return std::nullopt;
    largest->give_half(own);
  }
}

std::optional<std::uint32_t> WorkRanges::Range::take_first() noexcept {
  std::uint64_t bounds = bounds_;
  while (left(bounds) != 0) {
    if (bounds_.compare_exchange_weak(bounds, pack(begin(bounds) + 1, end(bounds)))) return begin(bounds);
  }
  return std::nullopt;
}

void WorkRanges::Range::give_half(Range& thief) noexcept {
  std::uint64_t bounds = bounds_;
  if (left(bounds) == 0) return;
  const std::uint32_t middle = begin(bounds) + left(bounds) / 2;
  if (bounds_.compare_exchange_strong(bounds, pack(begin(bounds), middle))) thief.assign(middle, end(bounds));
}

}  // namespace cga::crypto
