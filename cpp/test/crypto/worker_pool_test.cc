#include "core/crypto/worker_pool.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

TEST_CASE("every task runs once, however many threads there are") {
  for (const std::size_t threads : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{64}}) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{1000}}) {
      std::vector<std::atomic<int>> runs(count);
      cga::crypto::run_parallel(count, threads, [&](std::size_t i) { ++runs[i]; });
      CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
    }
  }
}

TEST_CASE("several jobs at once share the helpers") {
  std::atomic<int> total = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        int own = 0;
        std::atomic<int> sum = 0;
        cga::crypto::run_parallel(10, 4, [&](std::size_t i) { sum += static_cast<int>(i); });
        own = sum;
        total += own == 45 ? 1 : 0;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(total == 1200);
}

TEST_CASE(
    "what is called again while a task takes its time runs nothing twice, and on no more threads than were asked for") {
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::vector<std::atomic<int>> runs(12);
  cga::crypto::run_parallel(runs.size(), 2, [&](std::size_t i) {
    const int now = ++inside;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    while (std::chrono::steady_clock::now() < end) cga::crypto::call_helpers_again();
    ++runs[i];
    --inside;
  });
  CHECK(std::all_of(runs.begin(), runs.end(), [](const auto& n) { return n == 1; }));
  CHECK(most <= 2);
}

TEST_CASE("what a task throws reaches the caller, and the pool goes on working") {
  std::atomic<int> ran = 0;
  const auto job = [&](std::size_t i) {
    ++ran;
    if (i == 3) throw std::runtime_error("task 3");
  };
  CHECK_THROWS_WITH(cga::crypto::run_parallel(10, 4, job), "task 3");
  ran = 0;
  cga::crypto::run_parallel(5, 4, [&](std::size_t) { ++ran; });
  CHECK(ran == 5);
}

TEST_CASE("a task on a helper may use the others") {
  const auto caller = std::this_thread::get_id();
  std::thread::id helper;
  std::atomic<int> sum = 0;
  std::latch ended(1);
  cga::crypto::run_on_helper([&] {
    helper = std::this_thread::get_id();
    cga::crypto::run_parallel(100, 4, [&](std::size_t i) { sum += static_cast<int>(i); });
    ended.count_down();
  });
  ended.wait();
  CHECK(sum == 4950);
  CHECK(helper != caller);
}

TEST_CASE("more tasks on helpers at once than there are helpers: each runs, and what it holds is given back") {
  constexpr int kTasks = 800;
  std::atomic<int> total = 0;
  std::latch ended(kTasks);
  // Counted down when the task itself is destroyed.
  struct Held {
    explicit Held(std::latch& latch) : gone(latch) {}
    ~Held() { gone.count_down(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    std::latch& gone;
  };
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 16; ++caller) {
    callers.emplace_back([&] {
      for (int round = 0; round < kTasks / 16; ++round) {
        cga::crypto::run_on_helper([&, held = std::make_shared<Held>(ended)] {
          cga::crypto::run_parallel(5, 8, [&](std::size_t) { ++total; });
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  ended.wait();
  CHECK(total == kTasks * 5);
}
