#include "core/tpm/checked_tcti.h"

#include "core/tpm/response_code.h"

namespace cga::tpm {
namespace {

constexpr std::uint64_t kMagic = 0x6367612d74637469ULL;  // "cga-tcti"; any but zero

// Response header (TPM 2.0 part 1, 18.6): tag, size of the whole, code.
constexpr std::size_t kHeaderBytes = 10;
constexpr std::size_t kSizeOffset = 2;
constexpr std::size_t kCodeOffset = 6;

std::uint32_t big_endian(const std::uint8_t* at) noexcept {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

}  // namespace

CheckedTcti::CheckedTcti(TSS2_TCTI_CONTEXT* inner) noexcept : context_{} {
  context_.common.magic = kMagic;
  context_.common.version = 1;
  context_.common.transmit = &CheckedTcti::transmit;
  context_.common.receive = &CheckedTcti::receive;
  context_.inner = inner;
}

TSS2_RC CheckedTcti::transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command) {
  TSS2_TCTI_CONTEXT* inner = reinterpret_cast<Context*>(context)->inner;
  return Tss2_Tcti_Transmit(inner, size, command);
}

TSS2_RC CheckedTcti::receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response,
                             std::int32_t timeout) {
  TSS2_TCTI_CONTEXT* inner = reinterpret_cast<Context*>(context)->inner;
  const std::size_t room = *size;
  const TSS2_RC rc = Tss2_Tcti_Receive(inner, size, response, timeout);
  if (rc != TSS2_RC_SUCCESS || response == nullptr) return rc;  // without a buffer: how large must it be?
  const bool whole = *size >= kHeaderBytes && *size <= room && big_endian(response + kSizeOffset) == *size;
  return whole && is_response_code(big_endian(response + kCodeOffset)) ? TSS2_RC_SUCCESS
                                                                       : TSS2_TCTI_RC_MALFORMED_RESPONSE;
}

}  // namespace cga::tpm
