// The one error type of the core.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace cga {

/// What failed, as far as the core can tell. The façade maps a kind to one of the documented error codes, because the
/// same TPM failure has another code in attest() than in decrypt().
enum class ErrorKind {
  kInvalidArgument,  ///< the caller's value is out of range; nothing was done
  kTpm,              ///< a TSS2 or TPM call failed; `tss_rc` says how
  kTpmUnavailable,   ///< the TSS libraries or the device cannot be opened
  kTimeout,          ///< the TPM did not answer in time
  kAborted,          ///< the job was cancelled or its client closed
  kParse,            ///< bytes from outside are not what they claim to be
  kEmpty,            ///< bytes from outside are missing altogether
  kCrypto,           ///< OpenSSL refused: wrong key, wrong tag, bad padding
  kInternal,         ///< a defect or an exhausted resource
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, std::uint32_t tss_rc = 0)
      : std::runtime_error(message), kind_(kind), tss_rc_(tss_rc) {}

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  /// TSS2_RC of the failing call, layer bits included; 0 when no TPM call failed.
  [[nodiscard]] std::uint32_t tss_rc() const noexcept { return tss_rc_; }

 private:
  ErrorKind kind_;
  std::uint32_t tss_rc_;
};

/// Stable name of a kind, as the binding puts it into the `kind` property of a JavaScript error.
[[nodiscard]] constexpr const char* error_kind_name(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return "invalid-argument";
    case ErrorKind::kTpm:
      return "tpm";
    case ErrorKind::kTpmUnavailable:
      return "tpm-unavailable";
    case ErrorKind::kTimeout:
      return "timeout";
    case ErrorKind::kAborted:
      return "aborted";
    case ErrorKind::kParse:
      return "parse";
    case ErrorKind::kEmpty:
      return "empty";
    case ErrorKind::kCrypto:
      return "crypto";
    case ErrorKind::kInternal:
      break;
  }
  return "internal";
}

}  // namespace cga
