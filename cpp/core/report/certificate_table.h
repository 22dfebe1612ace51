// Certificate table of the extended guest request (GHCB specification, SNP Extended Guest Request).
#pragma once

#include <string>
#include <vector>

#include "core/report/bytes.h"

namespace cga {

struct CertificateTableEntry {
  std::string guid;  ///< RFC 4122 text, lower case
  Bytes data;        ///< points into the table
};

/// 24-byte entries (GUID, offset, length) ended by a zero entry. Throws kEmpty or kParse; at most 64 entries.
[[nodiscard]] std::vector<CertificateTableEntry> parse_certificate_table(Bytes table);

}  // namespace cga
