#include "core/openssl.h"

#include <doctest/doctest.h>
#include <openssl/crypto.h>

#include <cstring>
#include <string>

TEST_CASE("libcrypto initializes more than once and says its version") {
  cga::initialize_openssl();
  cga::initialize_openssl();
  CHECK(std::string(cga::openssl_version()).starts_with("3."));
}

TEST_CASE("libcrypto's memory grows and shrinks with its content") {
  auto* memory = static_cast<char*>(OPENSSL_malloc(8));
  std::memcpy(memory, "content", 8);
  memory = static_cast<char*>(OPENSSL_realloc(memory, 100'000));
  CHECK(std::string(memory) == "content");
  memory = static_cast<char*>(OPENSSL_realloc(memory, 8));
  CHECK(std::string(memory) == "content");
  CHECK(OPENSSL_realloc(memory, 0) == nullptr);
  OPENSSL_free(nullptr);
}
