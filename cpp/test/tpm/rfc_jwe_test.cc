// The RSA blocks of the JWE examples of RFC 7516 appendix A and RFC 7520 section 5 that fit the TPM's keys.
#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <fstream>
#include <regex>
#include <sstream>

#include "core/tpm/object.h"
#include "test/tpm/external_key.h"
#include "test/tpm/guest.h"
#include "test/tpm/swtpm.h"

using namespace cga;
using namespace cga::tpm;
using namespace cga::test;

namespace {

Bytes from_base64url(std::string text) {
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  const std::size_t size = text.size() * 3 / 4;
  text.append((4 - text.size() % 4) % 4, '=');
  Bytes bytes(text.size() / 4 * 3);
  EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  bytes.resize(size);
  return bytes;
}

/// The first string member of this name from `from` on.
Bytes member(const std::string& json, const std::string& name, std::size_t from) {
  std::smatch match;
  const bool found = std::regex_search(json.begin() + static_cast<std::ptrdiff_t>(from), json.end(), match,
                                       std::regex("\"" + name + "\": \"([A-Za-z0-9_-]*)\""));
  REQUIRE(found);
  return from_base64url(match[1].str());
}

std::size_t position(const std::string& json, const std::string& text) {
  const std::size_t found = json.find(text);
  REQUIRE(found != std::string::npos);
  return found;
}

}  // namespace

TEST_CASE("the RSA blocks of the RFCs' JWE examples through the TPM") {
  std::stringstream file;
  file << std::ifstream("test/content/rfc-jwe.json").rdbuf();
  const std::string json = file.str();
  struct Example {
    std::string section;
    std::string key;
    RsaScheme scheme;
  };
  constexpr RsaScheme kRsa15{TPM2_ALG_RSAES, TPM2_ALG_NULL};
  constexpr RsaScheme kOaep{TPM2_ALG_OAEP, TPM2_ALG_SHA1};
  const Swtpm swtpm;
  Connection connection(swtpm.tcti(), unwatched());
  // Not that of RFC 7520 section 5.2: its key has 4096 bits.
  for (const auto& [section, key_name, scheme] :
       {Example{"RFC 7516 A.1", "A.1", kOaep}, Example{"RFC 7516 A.2", "A.2", kRsa15},
        Example{"RFC 7516 A.4", "A.2", kRsa15}, Example{"RFC 7520 5.1", "frodo", kRsa15},
        Example{"RFC 7520 5.13", "frodo", kRsa15}}) {
    CAPTURE(section);
    const std::size_t key_at = position(json, "\"" + key_name + "\": {");
    const TPM2_HANDLE key = load_external(connection, member(json, "n", key_at), member(json, "p", key_at));
    const std::size_t at = position(json, "\"" + section + "\"");
    Bytes message;
    CHECK(decrypt_external(connection, key, member(json, "encrypted_key", at), scheme, message) == TSS2_RC_SUCCESS);
    CHECK(message == member(json, "cek", at));
    flush(connection, key);
  }
  CHECK(count_loaded(connection) == 0);
}
