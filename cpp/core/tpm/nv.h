// Non-volatile indices, with owner authorization.
#pragma once

#include <cstdint>
#include <optional>

#include "core/tpm/bytes.h"
#include "core/tpm/connection.h"

namespace cga::tpm {

struct NvPublic {
  std::uint16_t size = 0;        ///< of the data, in bytes
  std::uint32_t attributes = 0;  ///< TPMA_NV
  friend bool operator==(const NvPublic&, const NvPublic&) = default;
};

/// The content of an index that is being replaced. It outlives an attempt that the TPM's link broke off, so that the
/// next attempt can still put it back.
struct NvBackup {
  std::optional<NvPublic> area;
  Bytes data;
};

class NonVolatile {
 public:
  /// @param chunk bytes that the TPM takes in one command, see nv_buffer_maximum()
  NonVolatile(Connection& connection, std::uint16_t chunk) noexcept : connection_(connection), chunk_(chunk) {}

  /// @returns nothing when the index is not defined
  [[nodiscard]] std::optional<NvPublic> read_public(TPM2_HANDLE index);
  /// The whole index, chunk after chunk with nothing in between; read again when it was redefined on the way.
  [[nodiscard]] Bytes read(TPM2_HANDLE index);
  /// The same, in the same commands. @returns nothing when the index is not defined
  [[nodiscard]] std::optional<Bytes> read_if_defined(TPM2_HANDLE index);
  /// Writes from offset 0; defines the index, with owner and auth read and write, when it does not exist.
  void write(TPM2_HANDLE index, ByteView data);
  /// Undefines the index, defines it with the size of `data` and writes it. When that fails half-way, the old content
  /// is put back, and the error says whether that worked.
  void replace(TPM2_HANDLE index, ByteView data, NvBackup& backup);

 private:
  void define(TPM2_HANDLE index, std::size_t size, std::uint32_t attributes);
  void write_all(TPM2_HANDLE index, ByteView data);
  void undefine(TPM2_HANDLE index);
  [[nodiscard]] TSS2_RC try_read_public(TPM2_HANDLE index, NvPublic& area);
  [[nodiscard]] Bytes read(TPM2_HANDLE index, NvPublic area);
  [[nodiscard]] Bytes read_chunks(TPM2_HANDLE index, std::uint16_t size);

  Connection& connection_;
  std::uint16_t chunk_;
};

}  // namespace cga::tpm
