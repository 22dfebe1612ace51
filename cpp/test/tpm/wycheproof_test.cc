// The Wycheproof decryption vectors through the TPM: each vector's key is loaded as an external object.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/tpm/authorization.h"
#include "core/tpm/object.h"
#include "core/tpm/rsa.h"
#include "test/tpm/guest.h"
#include "test/tpm/swtpm.h"
#include "test/tpm/sys_extra.h"

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

TPM2_HANDLE load_external(Connection& connection, const std::string& group) {
  Bytes modulus = from_hex(member(group, "modulus"));
  modulus.erase(modulus.begin(), modulus.end() - 256);
  Bytes prime = from_hex(member(group, "prime1"));
  prime.erase(prime.begin(), prime.end() - 128);
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_RSA;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA;
  area.publicArea.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
  area.publicArea.parameters.rsaDetail.keyBits = 2048;
  fill(area.publicArea.unique.rsa, modulus, "a modulus");
  TPM2B_SENSITIVE sensitive{};
  sensitive.sensitiveArea.sensitiveType = TPM2_ALG_RSA;
  fill(sensitive.sensitiveArea.sensitive.rsa, prime, "a prime");
  TPM2_HANDLE handle = 0;
  connection.run("TPM2_LoadExternal", [&](TSS2_SYS_CONTEXT* context) {
    TPM2B_NAME name{};
    return CGA_SYS_EXTRA(LoadExternal)(context, nullptr, &sensitive, &area, TPM2_RH_NULL, &handle, &name, nullptr);
  });
  return handle;
}

struct Tally {
  int vectors = 0;
  int opened = 0;
  int refused = 0;
};

void run(Connection& connection, const std::string& json, const RsaScheme& scheme, Tally& tally) {
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  const std::regex part(R"("privateKey"\s*:\s*\{[^}]*\}|"tcId"[^}]*\})");
  TPM2_HANDLE key = 0;
  for (std::sregex_iterator found(json.begin(), json.end(), part), end; found != end; ++found) {
    const std::string text = found->str();
    if (text.starts_with("\"privateKey\"")) {
      if (key != 0) flush(connection, key);
      key = load_external(connection, text);
      continue;
    }
    CAPTURE(text);
    ++tally.vectors;
    // The protocol's label is always empty: what was encrypted under another one must not open.
    const bool valid = member(text, "result") == "valid" && member(text, "label").empty();
    Bytes message;
    TSS2_RC rc = TSS2_RC_SUCCESS;
    const Bytes ciphertext = from_hex(member(text, "ct"));
    const RsaDecryption decryption(ciphertext, scheme);
    rc = decryption.run(connection, message, [&](TSS2_SYS_CONTEXT* context, TPM2B_PUBLIC_KEY_RSA& plaintext) {
      return decryption.send(context, key, authorization, plaintext);
    });
    CHECK((rc == TSS2_RC_SUCCESS) == valid);
    if (rc == TSS2_RC_SUCCESS) {
      CHECK(message == from_hex(member(text, "msg")));
      ++tally.opened;
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
  Connection connection(swtpm.tcti());
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
