#include "core/tpm/loaded_handles.h"

#include <algorithm>

#include "core/tpm/connection.h"
#include "core/tpm/object.h"

namespace cga::tpm {
namespace {

std::vector<TPM2_HANDLE> existing(Connection& connection, HandleKind kind) {
  return read_handles(connection, kind == HandleKind::kObject ? TPM2_TRANSIENT_FIRST : TPM2_LOADED_SESSION_FIRST);
}

/// flush() says nothing of a link that broke.
void require(const Connection& connection) {
  if (connection.broken()) {
    throw tpm_error("TPM2_FlushContext", TSS2_TCTI_RC_IO_ERROR);
  }
}

bool same(TPM2_HANDLE one, TPM2_HANDLE other) noexcept {
  // Sessions of both types count on one scale, and TPMs differ in which type they list.
  return (one & ~TPM2_HR_RANGE_MASK) == (other & ~TPM2_HR_RANGE_MASK);
}

bool contains(const std::vector<TPM2_HANDLE>& handles, TPM2_HANDLE wanted) {
  return std::any_of(handles.begin(), handles.end(), [&](TPM2_HANDLE handle) { return same(handle, wanted); });
}

}  // namespace

void LoadedHandles::expect(Connection& connection, HandleKind kind) {
  std::vector<TPM2_HANDLE> before = existing(connection, kind);
  const TpmEpoch epoch = read_epoch(connection);
  const std::lock_guard guard(mutex_);
  if (epoch_ != epoch) handles_.clear();
  epoch_ = epoch;
  before_[kind] = std::move(before);
}

bool LoadedHandles::settle(Connection& connection, HandleKind kind, TPM2_HANDLE handle) {
  if ((handle & TPM2_HR_RANGE_MASK) != (kind == HandleKind::kObject ? TPM2_HR_TRANSIENT : TPM2_HR_POLICY_SESSION)) {
    return false;
  }
  try {
    // That it was there before proves nothing: somebody else may have flushed it in between.
    if (!contains(existing(connection, kind), handle)) return false;
  } catch (const Error&) {
    if (!connection.broken()) {
      record(kind, handle);
      flush(connection, handle);  // or with the device, when this thread is not to send anything any more
    }
    throw;
  }
  record(kind, handle);
  return true;
}

void LoadedHandles::record(HandleKind kind, TPM2_HANDLE handle) {
  const std::lock_guard guard(mutex_);
  before_.erase(kind);
  handles_[handle] = kind;
}

void LoadedHandles::settle(HandleKind kind) {
  const std::lock_guard guard(mutex_);
  before_.erase(kind);
}

void LoadedHandles::settle_refused(Connection& connection) noexcept {
  try {
    recover_lost(connection);
  } catch (const Error&) {
    // Looked for again with the next connection.
  }
}

void LoadedHandles::remove(TPM2_HANDLE handle) {
  const std::lock_guard guard(mutex_);
  handles_.erase(handle);
}

void LoadedHandles::leave_to(LoadedHandles& successor) {
  const std::scoped_lock guard(mutex_, successor.mutex_);
  std::erase_if(handles_, [&](const auto& entry) { return successor.handles_.contains(entry.first); });
}

bool LoadedHandles::empty() {
  const std::lock_guard guard(mutex_);
  return handles_.empty() && before_.empty();
}

void LoadedHandles::recover_lost(Connection& connection) {
  std::map<HandleKind, std::vector<TPM2_HANDLE>> before;
  std::map<TPM2_HANDLE, HandleKind> known;
  std::optional<TpmEpoch> epoch;
  {
    const std::lock_guard guard(mutex_);
    before = before_;
    known = handles_;
    epoch = epoch_;
  }
  if (before.empty()) return;
  if (read_epoch(connection) == epoch) {
    for (const auto& [kind, old] : before) {
      for (const TPM2_HANDLE handle : existing(connection, kind)) {
        const bool ours = std::any_of(known.begin(), known.end(), [&, wanted = kind](const auto& entry) {
          return entry.second == wanted && same(entry.first, handle);
        });
        if (!ours && !contains(old, handle)) flush(connection, handle);
      }
    }
  }
  require(connection);
  const std::lock_guard guard(mutex_);
  before_.clear();
}

void LoadedHandles::recover_all(Connection& connection) {
  recover_lost(connection);
  std::map<TPM2_HANDLE, HandleKind> known;
  std::optional<TpmEpoch> epoch;
  {
    const std::lock_guard guard(mutex_);
    known = handles_;
    epoch = epoch_;
  }
  if (!known.empty() && read_epoch(connection) == epoch) {
    for (const auto& [handle, kind] : known) flush(connection, handle);
  }
  require(connection);
  const std::lock_guard guard(mutex_);
  handles_.clear();
  taken_.store(true);
}

}  // namespace cga::tpm
