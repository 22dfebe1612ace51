#include "core/tpm/object.h"

#include <openssl/sha.h>

#include <array>

namespace cga::tpm {

PublicArea read_public(Connection& connection, TPM2_HANDLE handle) {
  PublicArea result{};
  TPM2B_NAME name{};
  TPM2B_NAME qualified_name{};
  connection.run("TPM2_ReadPublic", [&](TSS2_SYS_CONTEXT* context) {
    result.area = {};
    name = {};
    qualified_name = {};
    return tss().ReadPublic(context, handle, nullptr, &result.area, &name, &qualified_name, nullptr);
  });
  result.name = to_bytes(name.name, name.size);
  return result;
}

Bytes marshal(const TPM2B_PUBLIC& area) {
  std::array<std::uint8_t, sizeof(TPM2B_PUBLIC)> buffer{};
  std::size_t size = 0;
  const TSS2_RC rc = tss().TPM2B_PUBLIC_Marshal(&area, buffer.data(), buffer.size(), &size);
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("marshalling a public area", rc);
  return to_bytes(buffer.data(), size);
}

Bytes name_of(const TPM2B_PUBLIC& area) {
  const Bytes marshalled = marshal(area);
  Bytes name(2 + SHA256_DIGEST_LENGTH);
  name[0] = TPM2_ALG_SHA256 >> 8;
  name[1] = TPM2_ALG_SHA256 & 0xFF;
  SHA256(marshalled.data() + sizeof(UINT16), marshalled.size() - sizeof(UINT16), name.data() + 2);
  return name;
}

void flush(Connection& connection, TPM2_HANDLE handle) noexcept {
  try {
    const TSS2_RC rc =
        connection.try_run([&](TSS2_SYS_CONTEXT* context) { return tss().FlushContext(context, handle); });
    LoadedHandles* loaded = connection.loaded_handles();
    // Refused for another reason, it is still there: it is flushed with the device.
    if (loaded != nullptr && (rc == TSS2_RC_SUCCESS || is_handle_gone(rc))) loaded->remove(handle);
  } catch (const Error&) {
    // Told to stop while waiting: what is left is flushed when the connection is closed.
  }
}

}  // namespace cga::tpm
