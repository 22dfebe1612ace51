// One open way to a TPM.
#pragma once

#include <tss2/tss2_sys.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "core/tpm/checked_tcti.h"
#include "core/tpm/command_clock.h"
#include "core/tpm/response_code.h"
#include "core/tpm/tss.h"

namespace cga::tpm {

class LoadedHandles;

/// A TCTI and a SAPI context. Not thread-safe.
///
/// Every command goes through run() or try_run(), which send it again as retry.h says when the TPM asks for that; when
/// the TPM is out of slots, the relief function is asked to free one.
class Connection {
 public:
  /// Frees a slot that this process holds in the TPM; returns whether it found one.
  using Relief = std::function<bool()>;

  /// @param tcti a tpm2-tss TCTI string such as "device:/dev/tpmrm0" or "swtpm:path=/run/swtpm.sock"
  /// @param clock of the thread that uses the connection, see watch()
  /// @throws Error kTpmUnavailable with the TSS2_RC
  Connection(const std::string& tcti, CommandClock& clock);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs one command. @throws Error kTpm when it fails
  template <typename Function>
  void run(const char* command, Function&& function) {
    const TSS2_RC rc = try_run(std::forward<Function>(function));
    if (rc != TSS2_RC_SUCCESS) throw tpm_error(command, rc);
  }

  /// Runs one command and returns what became of it, retries included.
  /// @throws Error kAborted when the thread was told to stop while it waited for the TPM to be ready
  template <typename Function>
  TSS2_RC try_run(Function&& function) {
    TSS2_RC rc = once(function);
    if (rc == TSS2_RC_SUCCESS || !(is_retry_warning(rc) || is_out_of_slots(rc))) return rc;
    return retry(rc, [&] { return once(function); });
  }

  /// After a link failure nothing more is sent: the state of the TCTI and of the TPM's answer is unknown.
  [[nodiscard]] bool broken() const noexcept { return broken_; }

  /// The TPM's answer is well-formed and yet cannot be: as a broken link, so that the work is done again on a new one.
  /// @throws Error kTpm
  [[noreturn]] void reject_answer(const char* why);

  /// Book-keeping for a TPM without resource manager, null with one.
  [[nodiscard]] LoadedHandles* loaded_handles() const noexcept { return loaded_handles_; }
  void set_loaded_handles(LoadedHandles* handles) noexcept { loaded_handles_ = handles; }

  /// From now on another thread uses the connection.
  void watch(CommandClock& clock) noexcept { clock_ = &clock; }

  void set_relief(Relief relief) { relief_ = std::move(relief); }

  /// Zeroes the parameters of the last response in the SAPI context: they were secret.
  void cleanse_response() noexcept;

 private:
  template <typename Function>
  TSS2_RC once(Function& function) {
    if (broken_) return TSS2_TCTI_RC_NO_CONNECTION;
    refuse_when_abandoned();
    const CommandClock::Command in_flight(*clock_);
    const TSS2_RC rc = function(context());
    if (is_link_failure(rc)) broken_ = true;
    return rc;
  }

  void refuse_when_abandoned() const;
  TSS2_RC retry(TSS2_RC rc, const std::function<TSS2_RC()>& command);
  [[nodiscard]] TSS2_SYS_CONTEXT* context() const noexcept {
    return reinterpret_cast<TSS2_SYS_CONTEXT*>(context_.get());
  }

  CommandClock* clock_;
  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  std::optional<CheckedTcti> checked_tcti_;
  std::unique_ptr<std::uint64_t[]> context_;
  Relief relief_;
  LoadedHandles* loaded_handles_ = nullptr;
  bool broken_ = false;
};

}  // namespace cga::tpm
