#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include "core/openssl.h"
#include "core/tpm/tss.h"

int main(int argc, char** argv) {
  cga::initialize_openssl();
  cga::tpm::silence_tss();
  return doctest::Context(argc, argv).run();
}
