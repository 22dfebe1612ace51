#include "core/crypto/work_ranges.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

TEST_CASE("one worker alone gets every index, its own range first") {
  cga::crypto::WorkRanges ranges(10, 2);
  std::vector<std::size_t> given;
  while (const auto index = ranges.next(1)) given.push_back(*index);
  CHECK(given == std::vector<std::size_t>{5, 6, 7, 8, 9, 2, 3, 4, 1, 0});
  CHECK_FALSE(ranges.next(0));
}

TEST_CASE("workers that are equally fast keep to their own ranges") {
  cga::crypto::WorkRanges ranges(9, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t worker = 0; worker < 3; ++worker) CHECK(ranges.next(worker) == 3 * worker + i);
  }
  for (std::size_t worker = 0; worker < 3; ++worker) CHECK_FALSE(ranges.next(worker));
}

TEST_CASE("no work, and less work than workers") {
  CHECK_FALSE(cga::crypto::WorkRanges(0, 4).next(3));
  cga::crypto::WorkRanges few(2, 5);
  std::vector<std::size_t> given;
  for (std::size_t worker = 0; worker < 5; ++worker) {
    if (const auto index = few.next(worker)) given.push_back(*index);
  }
  std::sort(given.begin(), given.end());
  CHECK(given == std::vector<std::size_t>{0, 1});
}

TEST_CASE("every index is given out once, to workers of different speed") {
  constexpr std::size_t kCount = 20'000;
  for (int round = 0; round < 20; ++round) {
    cga::crypto::WorkRanges ranges(kCount, 4);
    std::vector<std::atomic<int>> given(kCount);
    std::vector<std::thread> workers;
    for (std::size_t worker = 0; worker < 4; ++worker) {
      workers.emplace_back([&, worker] {
        while (const auto index = ranges.next(worker)) {
          ++given[*index];
          // The first worker takes its time, so that the others take from it, and from each other at the end.
          if (worker == 0 && *index % 64 == 0) std::this_thread::yield();
        }
      });
    }
    for (auto& worker : workers) worker.join();
    CHECK(std::all_of(given.begin(), given.end(), [](const auto& n) { return n == 1; }));
  }
}
