#include "core/tpm/capability.h"

#include <algorithm>

namespace cga::tpm {
namespace {

struct Page {
  TPMS_CAPABILITY_DATA data;
  bool more;
};

Page read_page(Connection& connection, TPM2_CAP capability, UINT32 property, UINT32 count) {
  Page page{};
  connection.run("TPM2_GetCapability", [&](TSS2_SYS_CONTEXT* context) {
    TPMI_YES_NO more = TPM2_NO;
    page.data = {};
    const TSS2_RC rc = tss().GetCapability(context, nullptr, capability, property, count, &more, &page.data, nullptr);
    page.more = more == TPM2_YES;
    return rc;
  });
  if (page.data.capability != capability) {
    connection.reject_answer("TPM2_GetCapability answered another question");
  }
  return page;
}

/// A fixed property; `fallback` when the TPM does not have it.
std::uint32_t property(Connection& connection, TPM2_PT name, std::uint32_t fallback) {
  const Page page = read_page(connection, TPM2_CAP_TPM_PROPERTIES, name, 1);
  const TPML_TAGGED_TPM_PROPERTY& list = page.data.data.tpmProperties;
  return list.count > 0 && list.tpmProperty[0].property == name ? list.tpmProperty[0].value : fallback;
}

std::string text(std::uint32_t value) {
  std::string characters;
  for (int shift = 24; shift >= 0; shift -= 8) {
    const auto character = static_cast<char>(value >> shift & 0xFFU);
    if (character > ' ' && character <= '~') characters.push_back(character);
  }
  return characters;
}

}  // namespace

Capabilities read_capabilities(Connection& connection) {
  Capabilities result;
  result.manufacturer = text(property(connection, TPM2_PT_MANUFACTURER, 0));
  result.firmware_version = std::uint64_t{property(connection, TPM2_PT_FIRMWARE_VERSION_1, 0)} << 32 |
                            property(connection, TPM2_PT_FIRMWARE_VERSION_2, 0);
  result.pcr_count = property(connection, TPM2_PT_PCR_COUNT, 0);
  result.nv_buffer_maximum = nv_buffer_maximum(connection);
  const Page page = read_page(connection, TPM2_CAP_PCRS, 0, 1);
  const TPML_PCR_SELECTION& banks = page.data.data.assignedPCR;
  for (UINT32 i = 0; i < banks.count && i < TPM2_NUM_PCR_BANKS; ++i) {
    const TPMS_PCR_SELECTION& bank = banks.pcrSelections[i];
    PcrSelection selection{bank.hash, 0};
    for (UINT8 byte = 0; byte < bank.sizeofSelect && byte < TPM2_PCR_SELECT_MAX; ++byte) {
      selection.mask |= static_cast<std::uint32_t>(bank.pcrSelect[byte]) << (8 * byte);
    }
    result.pcr_banks.push_back(selection);
  }
  return result;
}

std::vector<TPM2_HANDLE> read_handles(Connection& connection, TPM2_HANDLE first) {
  std::vector<TPM2_HANDLE> handles;
  for (;;) {
    const Page page = read_page(connection, TPM2_CAP_HANDLES, first, TPM2_MAX_CAP_HANDLES);
    const TPML_HANDLE& list = page.data.data.handles;
    const UINT32 count = std::min<UINT32>(list.count, TPM2_MAX_CAP_HANDLES);
    handles.insert(handles.end(), list.handle, list.handle + count);
    if (!page.more || count == 0 || list.handle[count - 1] < first) return handles;
    first = list.handle[count - 1] + 1;
  }
}

TpmEpoch read_epoch(Connection& connection) {
  TPMS_TIME_INFO time{};
  connection.run("TPM2_ReadClock",
                 [&](TSS2_SYS_CONTEXT* context) { return tss().ReadClock(context, nullptr, &time, nullptr); });
  return {time.clockInfo.resetCount, time.clockInfo.restartCount};
}

std::uint16_t nv_buffer_maximum(Connection& connection) {
  // 512 bytes is what every PC Client TPM takes.
  const std::uint32_t maximum = property(connection, TPM2_PT_NV_BUFFER_MAX, 512);
  return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(maximum, 1, TPM2_MAX_NV_BUFFER_SIZE));
}

}  // namespace cga::tpm
