#include "core/report/endorsement_key.h"

#include <openssl/err.h>
#include <openssl/objects.h>

namespace cga {

namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(ErrorKind::kParse, "endorsement key certificate: " + why);
}

std::optional<Bytes> find_extension(const Certificate& certificate, const char* suffix) {
  const std::string oid = std::string("1.3.6.1.4.1.3704.1.") + suffix;
  const std::unique_ptr<ASN1_OBJECT, decltype(&ASN1_OBJECT_free)> object(OBJ_txt2obj(oid.c_str(), 1), ASN1_OBJECT_free);
  if (!object) throw Error(ErrorKind::kInternal, "an object identifier cannot be made");
  const int index = X509_get_ext_by_OBJ(certificate.x509(), object.get(), -1);
  if (index < 0) return std::nullopt;
  // Two values for one fact: whoever reads the other one decides differently.
  if (X509_get_ext_by_OBJ(certificate.x509(), object.get(), index) >= 0) refuse("extension " + oid + " twice");
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(certificate.x509(), index));
  return Bytes(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
}

Bytes extension(const Certificate& certificate, const char* suffix) {
  const std::optional<Bytes> value = find_extension(certificate, suffix);
  if (!value) refuse(std::string("extension 1.3.6.1.4.1.3704.1.") + suffix + " is missing");
  return *value;
}

}  // namespace

std::uint8_t decode_spl(Bytes der) {
  if (der.size() == 3 && der[0] == 0x02 && der[1] == 1 && der[2] < 0x80) return der[2];
  if (der.size() == 4 && der[0] == 0x02 && der[1] == 2 && der[2] == 0 && der[3] >= 0x80) return der[3];
  refuse("a patch level is no DER INTEGER of 0 to 255");
}

std::optional<std::string> read_ia5_string(Bytes der) {
  if (der.size() < 3 || der[0] != 0x16 || der[1] > 64 || der.size() != std::size_t{2} + der[1]) {
    return std::nullopt;
  }
  const Bytes text = der.subspan(2);
  for (const std::uint8_t character : text) {
    if (character < 0x20 || character > 0x7E) return std::nullopt;
  }
  return std::string(text.begin(), text.end());
}

std::vector<std::uint8_t> decode_hwid(Bytes value) {
  if (value.size() == 66 && value[0] == 0x04 && value[1] == 64) value = value.subspan(2);
  if (value.size() != 64 && value.size() != 8) refuse("the HWID is neither 64 nor 8 bytes long");
  return {value.begin(), value.end()};
}

EndorsementExtensions endorsement_extensions(const Certificate& certificate) {
  EndorsementExtensions result;
  const std::uint8_t struct_version = decode_spl(extension(certificate, "1"));
  if (struct_version > 1) refuse("unknown structVersion");
  result.struct_version = static_cast<TcbLayout>(struct_version);
  result.product_name = read_ia5_string(extension(certificate, "2"));
  result.tcb.bootloader = decode_spl(extension(certificate, "3.1"));
  result.tcb.tee = decode_spl(extension(certificate, "3.2"));
  result.tcb.snp = decode_spl(extension(certificate, "3.3"));
  result.tcb.microcode = decode_spl(extension(certificate, "3.8"));
  if (result.struct_version == TcbLayout::kTurin) {
    result.tcb.fmc = decode_spl(extension(certificate, "3.9"));
  } else if (find_extension(certificate, "3.9")) {
    refuse("fmcSPL in a certificate of structVersion 0");
  }
  if (const auto hwid = find_extension(certificate, "4")) result.hwid = decode_hwid(*hwid);
  if (const auto csp_id = find_extension(certificate, "5")) {
    result.csp_id = read_ia5_string(*csp_id);
    if (!result.csp_id) refuse("CSP_ID is no IA5String of 1 to 64 printable characters");
  }
  return result;
}

}  // namespace cga
