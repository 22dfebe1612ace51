// Extensions of a VCEK or VLEK certificate (Versioned Chip Endorsement Key Certificate and KDS Interface
// Specification, "X.509v3 extensions", arc 1.3.6.1.4.1.3704.1).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/report/certificate.h"
#include "core/report/tcb.h"

namespace cga {

struct EndorsementExtensions {
  TcbLayout struct_version = TcbLayout::kMilan;
  /// For instance "Milan-B0", "Genoa", "Turin". Absent when the extension is not a proper IA5String: the name only
  /// repeats what the issuer's name says, so it is not worth refusing a certificate over.
  std::optional<std::string> product_name;
  Tcb tcb;
  std::optional<std::vector<std::uint8_t>> hwid;  ///< VCEK: 64 bytes, on Turin 8
  std::optional<std::string> csp_id;              ///< VLEK: who runs the machine
};

/// Throws kParse when an extension is missing, doubled or not encoded as specified.
[[nodiscard]] EndorsementExtensions endorsement_extensions(const Certificate& certificate);

/// A DER INTEGER of 0 to 255; one of 0x80 and above takes a leading zero byte. Throws kParse.
[[nodiscard]] std::uint8_t decode_spl(Bytes der);
/// A DER IA5String of 1 to 64 printable characters; nothing for anything else.
[[nodiscard]] std::optional<std::string> read_ia5_string(Bytes der);
/// HWID: raw 64 or 8 bytes, or 64 bytes inside an OCTET STRING. Told apart by length: a raw one may begin with 04.
[[nodiscard]] std::vector<std::uint8_t> decode_hwid(Bytes value);

}  // namespace cga
