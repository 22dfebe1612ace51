// Consecutive work for several workers, none of which waits for a slower one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace cga::crypto {

/// Hands out the indices 0 … count - 1, each once. Every worker takes one after the other from a range of its own, so
/// that what it does can go on where it stopped; a worker whose range is used up takes the upper half of the largest
/// that is left. Lock-free; any worker may come late or never.
class WorkRanges {
 public:
  /// Largest `count`.
  static constexpr std::size_t kMax = UINT32_MAX;

  WorkRanges(std::size_t count, std::size_t workers);

  /// The next index for `worker`, which one thread at a time speaks for; nothing when all are given out.
  [[nodiscard]] std::optional<std::size_t> next(std::size_t worker) noexcept;

 private:
  /// First index left and the one behind the last, in one word. An index is in one range at a time and never comes
  /// back, so that a range which looks the same is the same.
  class alignas(64) Range {
   public:
    void assign(std::uint32_t begin, std::uint32_t end) noexcept { bounds_ = pack(begin, end); }
    [[nodiscard]] std::uint32_t left() const noexcept { return left(bounds_); }
    [[nodiscard]] std::optional<std::uint32_t> take_first() noexcept;
    /// Moves the upper half, at least one index, into `thief`, which is empty; nothing when this is, or has changed
    /// meanwhile.
    void give_half(Range& thief) noexcept;

   private:
    static constexpr std::uint64_t pack(std::uint32_t begin, std::uint32_t end) noexcept {
      return std::uint64_t{begin} << 32 | end;
    }
    static constexpr std::uint32_t begin(std::uint64_t bounds) noexcept {
      return static_cast<std::uint32_t>(bounds >> 32);
    }
    static constexpr std::uint32_t end(std::uint64_t bounds) noexcept { return static_cast<std::uint32_t>(bounds); }
    static constexpr std::uint32_t left(std::uint64_t bounds) noexcept { return end(bounds) - begin(bounds); }

    std::atomic<std::uint64_t> bounds_{0};
  };

  std::vector<Range> ranges_;
};

}  // namespace cga::crypto
