#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "core/openssl.h"

int main(int argc, char** argv) {
  cga::initialize_openssl();
  return doctest::Context(argc, argv).run();
}
