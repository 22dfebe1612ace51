// Signature of an SNP report: ECDSA P-384 over SHA-384 of bytes 0x000 to 0x29F as received.
#pragma once

#include "core/report/certificate.h"

namespace cga {

struct ReportSignature {
  bool valid = false;      ///< the key made it
  bool canonical = false;  ///< R and S are zero above their 48 bytes, so that one signature has one encoding
  bool tail_zero = false;  ///< the 368 unsigned bytes behind it are zero
};

/// Never re-encodes the report: an unknown bit would change what is verified. Throws kParse on a wrong size, kCrypto
/// when the certificate's key is not on P-384.
[[nodiscard]] ReportSignature verify_report_signature(Bytes report, const Certificate& signer);

}  // namespace cga
