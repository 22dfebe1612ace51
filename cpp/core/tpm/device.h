// One TPM, as this process sees it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/tpm/connection.h"
#include "core/tpm/ephemeral_key.h"
#include "core/tpm/fair_lock.h"
#include "core/tpm/loaded_handles.h"
#include "core/tpm/nv.h"

namespace cga::tpm {

/// All clients of a process that name the same TCTI share one connection and one ephemeral key: the key is a function
/// of the TPM's state only, and 32 clients must not need 32 slots of a TPM that has three. Work on it is done under a
/// lock that is handed on in order of arrival.
class Device : public std::enable_shared_from_this<Device> {
 public:
  /// Without a resource manager, a key that was not used for this long gives its slot back (its context is saved).
  static constexpr std::chrono::milliseconds kIdle{2000};

  /// The device for a TCTI string; opens nothing yet. Whoever has it gives it back by leave().
  [[nodiscard]] static std::shared_ptr<Device> shared(const std::string& tcti);
  /// Gives a device back. The last user takes everything out of the TPM.
  static void leave(std::shared_ptr<Device> device, CommandClock& clock);

  explicit Device(std::string tcti);
  ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  /// Runs `work` when it is this caller's turn. A broken link is opened anew and `work` run again, so it must be
  /// repeatable.
  /// @param clock of the calling thread
  /// @returns false when the device was retired before the turn came: ask shared() for its successor
  [[nodiscard]] bool run(CommandClock& clock, const std::function<void(Device&)>& work);

  /// The holder of the lock is stuck in a command: everybody else goes on with a new device.
  void retire();

  /// Whether a slot would be freed by park_if_idle() some time.
  [[nodiscard]] bool wants_parking() const noexcept { return wants_parking_.load(std::memory_order_relaxed); }
  void park_if_idle(CommandClock& clock);

  // For `work` only:

  [[nodiscard]] Connection& connection();
  [[nodiscard]] EphemeralKey& ephemeral_key(const EphemeralKeyId& id);
  [[nodiscard]] NonVolatile non_volatile();
  [[nodiscard]] bool has_resource_manager() const noexcept { return resource_manager_; }

 private:
  using Clock = std::chrono::steady_clock;

  void end(CommandClock& clock) noexcept;
  void run_with_fresh_link(const std::function<void(Device&)>& work);
  void drop_connection() noexcept;
  void recover();
  /// Flushes what this device still has in a TPM without resource manager, if the TPM can be reached.
  void flush_rest() noexcept;
  bool park_others() noexcept;

  const std::string tcti_;
  const bool resource_manager_;
  FairLock lock_;
  const std::shared_ptr<LoadedHandles> handles_ = std::make_shared<LoadedHandles>();
  CommandClock* clock_ = nullptr;  ///< of the thread whose turn it is
  std::unique_ptr<Connection> connection_;
  std::uint16_t nv_chunk_ = 0;
  std::map<EphemeralKeyId, EphemeralKey> keys_;
  const EphemeralKey* in_use_ = nullptr;
  Clock::time_point last_used_{};
  std::atomic<bool> wants_parking_{false};
  std::size_t users_ = 0;  ///< guarded by the registry's mutex
};

}  // namespace cga::tpm
