// What this process has in a TPM that has no resource manager.
#pragma once

#include <tss2/tss2_sys.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "core/tpm/capability.h"

namespace cga::tpm {

enum class HandleKind { kObject, kSession };

/// Without a resource manager nobody flushes for us: a handle whose number was lost, with the answer to the command
/// that made it or with the thread that waits for that answer, would take one of three slots until the TPM is reset. So
/// every such command is preceded by a look at the handles that exist, and what is new after a failure is flushed.
///
/// Thread-safe: when a thread is stuck, another one cleans up after it.
class LoadedHandles {
 public:
  /// Before a command that loads something.
  void expect(Connection& connection, HandleKind kind);
  /// The command has answered with this handle. @returns false when the TPM has no such handle: the number was damaged
  /// on its way, and what was loaded is still looked for. @throws Error when the TPM cannot be asked
  [[nodiscard]] bool settle(Connection& connection, HandleKind kind, TPM2_HANDLE handle);
  /// The command was refused for want of a slot, or not sent.
  void settle(HandleKind kind);
  /// The command was refused otherwise. That, too, may be a damaged answer: what is new in the TPM goes.
  void settle_refused(Connection& connection) noexcept;
  void remove(TPM2_HANDLE handle);

  /// Flushes what an interrupted command may have left. @throws Error when the TPM cannot be reached
  void recover_lost(Connection& connection);
  /// Flushes that and everything else that is recorded: its owner is stuck, and from now on leaves it alone.
  /// @throws Error when the TPM cannot be reached
  void recover_all(Connection& connection);
  /// Forgets the handles that `successor` has: their numbers were given out again.
  void leave_to(LoadedHandles& successor);
  /// Whether nothing is recorded and nothing expected.
  [[nodiscard]] bool empty();
  /// Whether recover_all() has been here.
  [[nodiscard]] bool taken() const noexcept { return taken_.load(); }

 private:
  void record(HandleKind kind, TPM2_HANDLE handle);

  std::mutex mutex_;
  std::optional<TpmEpoch> epoch_;
  std::map<TPM2_HANDLE, HandleKind> handles_;
  std::map<HandleKind, std::vector<TPM2_HANDLE>> before_;
  std::atomic<bool> taken_{false};
};

}  // namespace cga::tpm
