#include "core/openssl.h"

#include <doctest/doctest.h>

#include <string>

TEST_CASE("libcrypto initialises more than once and says its version") {
  cga::initialize_openssl();
  cga::initialize_openssl();
  CHECK(std::string(cga::openssl_version()).starts_with("3."));
}
