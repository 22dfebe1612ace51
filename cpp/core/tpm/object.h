// Objects in the TPM: public areas and transient handles.
#pragma once

#include <utility>

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"

namespace cga::tpm {

struct PublicArea {
  TPM2B_PUBLIC area;
  Bytes name;
};

/// TPM2_ReadPublic of a loaded or persistent object.
[[nodiscard]] PublicArea read_public(Connection& connection, TPM2_HANDLE handle);

/// TPM2B_PUBLIC as the TPM marshals it, with its 2-byte size.
[[nodiscard]] Bytes marshal(const TPM2B_PUBLIC& area);

/// TPM2_FlushContext; a handle that is gone already is none of its worries.
void flush(Connection& connection, TPM2_HANDLE handle) noexcept;

}  // namespace cga::tpm
