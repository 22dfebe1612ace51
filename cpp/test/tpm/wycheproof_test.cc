// The Wycheproof decryption vectors through the TPM: each vector's key is loaded as an external object.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
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

std::filesystem::path vectors(const std::string& name) {
  // The fixtures lie beside the project; the tests run from its root.
  return std::filesystem::path("../shared/fixtures/wycheproof") / (name + "_test.json");
}

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// Value of a string member in a JSON object that has no nested one of the name.
std::string member(const std::string& json, const std::string& name) {
  std::smatch match;
  return std::regex_search(json, match, std::regex("\"" + name + "\"\\s*:\\s*\"([^\"]*)\"")) ? match[1].str() : "";
}

/// A number of a vector, without the zero byte before it that makes it positive.
Bytes number(const std::string& group, const std::string& name, std::size_t size) {
  Bytes bytes = from_hex(member(group, name));
  bytes.erase(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(size));
  return bytes;
}

struct Tally {
  int vectors = 0;
  int opened = 0;
  int refused = 0;
};

void run(Connection& connection, const std::string& json, const RsaScheme& scheme, Tally& tally) {
  const std::regex part(R"("privateKey"\s*:\s*\{[^}]*\}|"tcId"[^}]*\})");
  TPM2_HANDLE key = 0;
  for (std::sregex_iterator found(json.begin(), json.end(), part), end; found != end; ++found) {
    const std::string text = found->str();
    if (text.starts_with("\"privateKey\"")) {
      if (key != 0) flush(connection, key);
      key = load_external(connection, number(text, "modulus", 256), number(text, "prime1", 128));
      continue;
    }
    CAPTURE(text);
    ++tally.vectors;
    // The protocol's label is always empty: what was encrypted under another one must not open.
    const bool valid = member(text, "result") == "valid" && member(text, "label").empty();
    Bytes message;
    const Bytes ciphertext = from_hex(member(text, "ct"));
    const TSS2_RC rc = decrypt_external(connection, key, ciphertext, scheme, message);
    // A TPM over OpenSSL 3.2 or newer answers wrong PKCS#1 padding with bytes that it makes up (implicit rejection,
    // against Bleichenbacher's oracle): what RSAES opens is never known to be good.
    const bool made_up = scheme.scheme == TPM2_ALG_RSAES && rc == TSS2_RC_SUCCESS && !valid;
    CHECK((rc == TSS2_RC_SUCCESS) == (valid || made_up));
    if (rc == TSS2_RC_SUCCESS) {
      CHECK((message == from_hex(member(text, "msg"))) == valid);
      ++(made_up ? tally.refused : tally.opened);
    } else {
      CHECK((rc & TSS2_RC_LAYER_MASK) == 0);
      ++tally.refused;
    }
  }
  if (key != 0) flush(connection, key);
}

}  // namespace

TEST_CASE("Wycheproof RSA vectors through the TPM" *
          doctest::skip(!std::filesystem::exists(vectors("rsa_pkcs1_2048")))) {
  const Swtpm swtpm;
  Connection connection(swtpm.tcti(), unwatched());
  const std::map<std::string, RsaScheme> files = {
      {"rsa_pkcs1_2048", {TPM2_ALG_RSAES, TPM2_ALG_NULL}},
      {"rsa_oaep_2048_sha1_mgf1sha1", {TPM2_ALG_OAEP, TPM2_ALG_SHA1}},
      {"rsa_oaep_2048_sha256_mgf1sha256", {TPM2_ALG_OAEP, TPM2_ALG_SHA256}},
      {"rsa_oaep_2048_sha384_mgf1sha384", {TPM2_ALG_OAEP, TPM2_ALG_SHA384}},
      {"rsa_oaep_2048_sha512_mgf1sha512", {TPM2_ALG_OAEP, TPM2_ALG_SHA512}},
  };
  Tally tally;
  for (const auto& [name, scheme] : files) {
    CAPTURE(name);
    std::stringstream json;
    json << std::ifstream(vectors(name)).rdbuf();
    run(connection, json.str(), scheme, tally);
  }
  MESSAGE(tally.vectors << " vectors, " << tally.opened << " opened, " << tally.refused << " refused");
  CHECK(tally.vectors == 207);
  CHECK(count_loaded(connection) == 0);
}
