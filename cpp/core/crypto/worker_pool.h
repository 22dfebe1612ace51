// Threads for bulk work: cuts one job into tasks and runs them on all cores.
#pragma once

#include <cstddef>
#include <functional>

namespace cga::crypto {

/// Number of cores that this process may use.
[[nodiscard]] std::size_t available_cores() noexcept;

/// Runs `task(0)` … `task(count - 1)`, each once and in no particular order, on the calling thread and on at most
/// `threads - 1` helpers; returns when all of them are done. What a task throws first is thrown here.
///
/// The helpers are one set per process, started at the first job that needs them. Jobs from several threads share them.
/// They run at a lower priority than the rest of the process, so that an event loop that wakes up need not wait for
/// them.
void run_parallel(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& task);

/// For a task of run_parallel() that takes long, between two pieces of its work, each of some ten microseconds: calls
/// another helper when one that was woken has not come for a while.
void call_helpers_again() noexcept;

/// Runs `task`, which may use run_parallel() and must not throw, on a helper, and returns at once. In order of arrival,
/// but what a task under way has cut up comes first. Where no thread can be started the task runs here and now.
void run_on_helper(std::function<void()> task);

/// The same, for what the calling thread must not do: where no thread can be started nothing happens, and it is false.
[[nodiscard]] bool try_run_on_helper(std::function<void()> task);

}  // namespace cga::crypto
