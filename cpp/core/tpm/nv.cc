#include "core/tpm/nv.h"

#include <algorithm>

#include "core/tpm/authorization.h"

namespace cga::tpm {
namespace {

constexpr std::uint32_t kOwnerAndAuth = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE;
// The TPM sets these by itself; TPM2_NV_DefineSpace refuses them.
constexpr std::uint32_t kState = TPMA_NV_WRITTEN | TPMA_NV_READLOCKED | TPMA_NV_WRITELOCKED;

bool is_undefined(TSS2_RC rc) noexcept {
  return is_handle_gone(rc);
}

}  // namespace

TSS2_RC NonVolatile::try_read_public(TPM2_HANDLE index, NvPublic& area) {
  TPM2B_NV_PUBLIC answer{};
  TPM2B_NAME name{};
  const TSS2_RC rc = connection_.try_run([&](TSS2_SYS_CONTEXT* context) {
    answer = {};
    name = {};
    return tss().NV_ReadPublic(context, index, nullptr, &answer, &name, nullptr);
  });
  area = {answer.nvPublic.dataSize, answer.nvPublic.attributes};
  return rc;
}

std::optional<NvPublic> NonVolatile::read_public(TPM2_HANDLE index) {
  NvPublic area;
  const TSS2_RC rc = try_read_public(index, area);
  if (is_undefined(rc)) return std::nullopt;
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("TPM2_NV_ReadPublic", rc);
  return area;
}

Bytes NonVolatile::read(TPM2_HANDLE index) {
  NvPublic area;
  const TSS2_RC rc = try_read_public(index, area);
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("TPM2_NV_ReadPublic", rc);
  return read(index, area);
}

std::optional<Bytes> NonVolatile::read_if_defined(TPM2_HANDLE index) {
  const std::optional<NvPublic> area = read_public(index);
  if (!area) return std::nullopt;
  return read(index, *area);
}

Bytes NonVolatile::read(TPM2_HANDLE index, NvPublic area) {
  for (int attempt = 1;; ++attempt) {
    try {
      return read_chunks(index, area.size);
    } catch (const Error& error) {
      // Another process may have replaced the index by a smaller one, or not yet written it again.
      const TSS2_RC code = base_code(error.tss_rc());
      const bool redefined = code == TPM2_RC_NV_RANGE || is_handle_gone(error.tss_rc());
      const std::optional<NvPublic> now = redefined ? read_public(index) : std::nullopt;
      if (!now || now->size == area.size || attempt == retry::kNvReadAttempts) throw;
      area = *now;
    }
  }
}

Bytes NonVolatile::read_chunks(TPM2_HANDLE index, std::uint16_t size) {
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  Bytes data;
  data.reserve(size);
  while (data.size() < size) {
    const auto offset = static_cast<UINT16>(data.size());
    const auto wanted = static_cast<UINT16>(std::min<std::size_t>(chunk_, size - data.size()));
    TPM2B_MAX_NV_BUFFER chunk{};
    connection_.run("TPM2_NV_Read", [&](TSS2_SYS_CONTEXT* context) {
      chunk = {};
      TSS2L_SYS_AUTH_RESPONSE response{};
      return tss().NV_Read(context, TPM2_RH_OWNER, index, &authorization, wanted, offset, &chunk, &response);
    });
    if (chunk.size != wanted) {
      connection_.reject_answer("TPM2_NV_Read answered with another size than asked for");
    }
    data.insert(data.end(), chunk.buffer, chunk.buffer + chunk.size);
  }
  return data;
}

void NonVolatile::write(TPM2_HANDLE index, ByteView data) {
  if (!read_public(index)) define(index, data.size(), kOwnerAndAuth);
  write_all(index, data);
}

void NonVolatile::replace(TPM2_HANDLE index, ByteView data, NvBackup& backup) {
  const std::optional<NvPublic> present = read_public(index);
  if (present) {
    if (!backup.area) {
      if ((present->attributes & TPMA_NV_WRITTEN) != 0) backup.data = read_chunks(index, present->size);
      backup.area = present;
    }
    undefine(index);
  }
  try {
    define(index, data.size(), kOwnerAndAuth);
    write_all(index, data);
  } catch (const Error& error) {
    if (!backup.area || connection_.broken()) throw;
    std::string outcome = "; the old content was put back";
    try {
      if (read_public(index)) undefine(index);
      define(index, backup.area->size, backup.area->attributes & ~kState);
      if (!backup.data.empty()) write_all(index, backup.data);
    } catch (const Error& second) {
      outcome = std::string("; putting the old content back failed, too: ") + second.what();
    }
    throw Error(error.kind(), error.what() + outcome, error.tss_rc());
  }
}

void NonVolatile::define(TPM2_HANDLE index, std::size_t size, std::uint32_t attributes) {
  if (size == 0 || size > UINT16_MAX) {
    throw Error(ErrorKind::kInvalidArgument, "an NV index holds 1 to 65535 bytes");
  }
  TPM2B_NV_PUBLIC area{};
  area.nvPublic.nvIndex = index;
  area.nvPublic.nameAlg = TPM2_ALG_SHA256;
  area.nvPublic.attributes = attributes;
  area.nvPublic.dataSize = static_cast<UINT16>(size);
  const TPM2B_AUTH empty{};
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  connection_.run("TPM2_NV_DefineSpace", [&](TSS2_SYS_CONTEXT* context) {
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().NV_DefineSpace(context, TPM2_RH_OWNER, &authorization, &empty, &area, &response);
  });
}

void NonVolatile::undefine(TPM2_HANDLE index) {
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  connection_.run("TPM2_NV_UndefineSpace", [&](TSS2_SYS_CONTEXT* context) {
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().NV_UndefineSpace(context, TPM2_RH_OWNER, index, &authorization, &response);
  });
}

void NonVolatile::write_all(TPM2_HANDLE index, ByteView data) {
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  for (std::size_t offset = 0; offset < data.size(); offset += chunk_) {
    TPM2B_MAX_NV_BUFFER chunk{};
    fill(chunk, data.subspan(offset, std::min<std::size_t>(chunk_, data.size() - offset)), "an NV chunk");
    connection_.run("TPM2_NV_Write", [&](TSS2_SYS_CONTEXT* context) {
      TSS2L_SYS_AUTH_RESPONSE response{};
      return tss().NV_Write(context, TPM2_RH_OWNER, index, &authorization, &chunk, static_cast<UINT16>(offset),
                            &response);
    });
  }
}

}  // namespace cga::tpm
