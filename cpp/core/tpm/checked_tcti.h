// Looks at the header of what a TCTI has received.
#pragma once

#include <tss2/tss2_tcti.h>

#include <cstddef>
#include <cstdint>

namespace cga::tpm {

/// Stands between SAPI and a TCTI. SAPI goes by the size in an answer's header and never by how much was received: of a
/// short answer it would read on in what an earlier command left in its buffer. And it passes any code on, though one
/// that no TPM has says only that the answer is damaged. Here both end in TSS2_TCTI_RC_MALFORMED_RESPONSE.
class CheckedTcti {
 public:
  /// @param inner not owned; must outlive this
  explicit CheckedTcti(TSS2_TCTI_CONTEXT* inner) noexcept;
  CheckedTcti(const CheckedTcti&) = delete;
  CheckedTcti& operator=(const CheckedTcti&) = delete;

  /// For Tss2_Sys_Initialize().
  [[nodiscard]] TSS2_TCTI_CONTEXT* context() noexcept { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&context_); }

 private:
  struct Context {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;  // first: it is what SAPI sees
    TSS2_TCTI_CONTEXT* inner;
  };

  static TSS2_RC transmit(TSS2_TCTI_CONTEXT* context, std::size_t size, const std::uint8_t* command);
  static TSS2_RC receive(TSS2_TCTI_CONTEXT* context, std::size_t* size, std::uint8_t* response, std::int32_t timeout);

  Context context_;
};

}  // namespace cga::tpm
