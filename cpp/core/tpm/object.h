// Objects in the TPM: public areas and transient handles.
#pragma once

#include <optional>
#include <utility>

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"
#include "core/tpm/loaded_handles.h"

namespace cga::tpm {

struct PublicArea {
  TPM2B_PUBLIC area;
  Bytes name;
};

/// TPM2_ReadPublic of a loaded or persistent object.
[[nodiscard]] PublicArea read_public(Connection& connection, TPM2_HANDLE handle);

/// TPM2B_PUBLIC as the TPM marshals it, with its 2-byte size.
[[nodiscard]] Bytes marshal(const TPM2B_PUBLIC& area);

/// Name that a TPM gives to an object with this public area and nameAlg SHA-256 (part 1, section 16).
[[nodiscard]] Bytes name_of(const TPM2B_PUBLIC& area);

/// Runs `command`, which loads an object or starts a session and puts its handle into `handle`, with the book-keeping
/// of LoadedHandles around it. @returns the response code, retries included
template <typename Function>
[[nodiscard]] TSS2_RC try_load(Connection& connection, HandleKind kind, TPM2_HANDLE& handle, Function&& command) {
  LoadedHandles* loaded = connection.loaded_handles();
  if (loaded == nullptr) return connection.try_run(command);
  loaded->expect(connection, kind);
  TSS2_RC rc;
  try {
    rc = connection.try_run(command);
  } catch (...) {
    loaded->settle(kind);
    throw;
  }
  if (rc == TSS2_RC_SUCCESS) {
    if (!loaded->settle(connection, kind, handle)) connection.reject_answer("the TPM has not the handle that it named");
  } else if (is_out_of_slots(rc) || is_retry_warning(rc)) {
    loaded->settle(kind);
  } else if (!is_link_failure(rc)) {
    // Else it is not known whether the TPM carried the command out, until there is a new connection.
    loaded->settle_refused(connection);
  }
  return rc;
}

/// TPM2_FlushContext; a handle that is gone already is none of its worries.
void flush(Connection& connection, TPM2_HANDLE handle) noexcept;

/// What was just loaded, until somebody takes it over: flushed when something in between throws.
class ScopedHandle {
 public:
  ScopedHandle(Connection& connection, TPM2_HANDLE handle) noexcept : connection_(connection), handle_(handle) {}
  ~ScopedHandle() {
    if (handle_ != 0) flush(connection_, handle_);
  }
  ScopedHandle(const ScopedHandle&) = delete;
  ScopedHandle& operator=(const ScopedHandle&) = delete;

  /// Takes it over.
  [[nodiscard]] TPM2_HANDLE take() noexcept { return std::exchange(handle_, 0); }

 private:
  Connection& connection_;
  TPM2_HANDLE handle_;
};

}  // namespace cga::tpm
