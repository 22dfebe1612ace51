#include "core/report/certificate_table.h"

namespace cga {

namespace {

constexpr std::size_t kEntrySize = 24;
constexpr std::size_t kMaximumEntries = 64;

std::string guid_text(Bytes guid) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < guid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[guid[i] >> 4];
    text += kDigits[guid[i] & 15];
  }
  return text;
}

}  // namespace

std::vector<CertificateTableEntry> parse_certificate_table(Bytes table) {
  if (table.empty()) throw Error(ErrorKind::kEmpty, "the certificate table is empty");
  std::vector<CertificateTableEntry> entries;
  for (std::size_t at = 0;; at += kEntrySize) {
    if (table.size() - at < kEntrySize) throw Error(ErrorKind::kParse, "certificate table: no terminating entry");
    const Bytes entry = table.subspan(at, kEntrySize);
    if (all_zero(entry)) break;
    if (entries.size() == kMaximumEntries) throw Error(ErrorKind::kParse, "certificate table: more than 64 entries");
    const std::size_t offset = load_le32(entry, 16);
    const std::size_t length = load_le32(entry, 20);
    if (offset > table.size() || length > table.size() - offset) {
      throw Error(ErrorKind::kParse, "certificate table: an entry reaches past the end");
    }
    entries.push_back({.guid = guid_text(entry.first(16)), .data = table.subspan(offset, length)});
  }
  // Data inside the directory would be read as both an entry and a certificate.
  const std::size_t directory = (entries.size() + 1) * kEntrySize;
  for (const CertificateTableEntry& entry : entries) {
    if (!entry.data.empty() && entry.data.data() < table.data() + directory) {
      throw Error(ErrorKind::kParse, "certificate table: an entry points into the directory");
    }
  }
  return entries;
}

}  // namespace cga
