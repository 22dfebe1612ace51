#include <doctest/doctest.h>

#include <string_view>

#include "core/tpm/attestation_key.h"
#include "core/tpm/capability.h"
#include "core/tpm/ephemeral_key.h"
#include "core/tpm/nv.h"
#include "core/tpm/object.h"
#include "core/tpm/pcr.h"
#include "test/tpm/guest.h"
#include "test/tpm/swtpm.h"

using namespace cga;
using namespace cga::tpm;
using namespace cga::test;

namespace {

Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return bytes;
}

TSS2_RC code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.tss_rc();
  }
  return TSS2_RC_SUCCESS;
}

}  // namespace

TEST_CASE("a connection to nothing says so with the TCTI's code") {
  try {
    Connection connection("device:/dev/there-is-no-such-tpm", unwatched());
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::kTpmUnavailable);
    CHECK(error.tss_rc() == TSS2_TCTI_RC_IO_ERROR);
  }
}

TEST_CASE("PCRs, NV and the attestation key") {
  const Swtpm swtpm;
  Connection connection(swtpm.tcti(), unwatched());
  provision_attestation_key(connection);

  SUBCASE("all PCRs come in order, from one state") {
    extend_pcr(connection, 9, TPM2_ALG_SHA256);
    const auto values = read_pcrs(connection, {TPM2_ALG_SHA256, 0xFFFFFF});
    REQUIRE(values.size() == 24);
    for (std::uint32_t i = 0; i < 24; ++i) {
      CHECK(values[i].index == i);
      CHECK(values[i].digest.size() == 32);
    }
    CHECK(values[9].digest != values[8].digest);
    CHECK_THROWS_AS((void)read_pcrs(connection, {TPM2_ALG_SHA256, 0}), Error);
    CHECK_THROWS_AS((void)read_pcrs(connection, {TPM2_ALG_SHA256, 1U << 24}), Error);
  }

  SUBCASE("capabilities") {
    const Capabilities capabilities = read_capabilities(connection);
    CHECK(capabilities.manufacturer == "IBM");
    CHECK(capabilities.pcr_count == 24);
    CHECK(capabilities.nv_buffer_maximum >= 512);
    CHECK(read_handles(connection, TPM2_PERSISTENT_FIRST) == std::vector<TPM2_HANDLE>{kAttestationKey});
  }

  SUBCASE("an index larger than one command is written and read in chunks, of any size") {
    constexpr TPM2_HANDLE kIndex = 0x01801234;
    for (const std::uint16_t chunk : {std::uint16_t{1024}, std::uint16_t{512}, std::uint16_t{100}}) {
      NonVolatile nv(connection, chunk);
      const Bytes data = pattern(2048);
      nv.write(kIndex, data);
      CHECK(nv.read(kIndex) == data);
      CHECK(nv.read_if_defined(kIndex) == data);
      NvBackup backup;
      nv.replace(kIndex, pattern(chunk), backup);
      CHECK(nv.read(kIndex) == pattern(chunk));
      CHECK(nv.read_public(kIndex)->size == chunk);
      NvBackup again;
      nv.replace(kIndex, data, again);
    }
  }

  SUBCASE("an index that cannot be replaced keeps its content and its attributes") {
    constexpr TPM2_HANDLE kIndex = 0x01801235;
    NonVolatile nv(connection, 512);
    nv.write(kIndex, pattern(300));
    const auto before = nv.read_public(kIndex);
    NvBackup backup;
    CHECK_THROWS_WITH_AS(nv.replace(kIndex, pattern(60'000), backup), doctest::Contains("put back"), Error);
    CHECK(nv.read(kIndex) == pattern(300));
    CHECK(nv.read_public(kIndex) == before);
    CHECK_THROWS_AS(nv.write(0x01801236, {}), Error);
  }

  SUBCASE("what is not there, is not there") {
    NonVolatile nv(connection, 512);
    CHECK_FALSE(nv.read_public(0x01801299).has_value());
    CHECK_FALSE(nv.read_if_defined(0x01801299).has_value());
    CHECK(code_of([&] { (void)nv.read(0x01801299); }) == 0x18B);
    CHECK(code_of([&] { (void)read_public(connection, 0x81000099); }) == 0x18B);
  }

  SUBCASE("a quote is signed by the key, over the PCRs and the nonce") {
    const Bytes nonce = pattern(64);
    const Attestation attestation = quote(connection, kAttestationKey, nonce, kPcrs);
    const Bytes public_area = marshal(read_public(connection, kAttestationKey).area);
    CHECK(verify(public_area, attestation));
    CHECK(std::search(attestation.message.begin(), attestation.message.end(), nonce.begin(), nonce.end()) !=
          attestation.message.end());
    CHECK_THROWS_AS((void)quote(connection, kAttestationKey, pattern(100), kPcrs), Error);
  }
  CHECK(count_loaded(connection) == 0);
}

TEST_CASE("a PCR bank that is not allocated is an error, not an empty digest and not a quote over nothing") {
  Swtpm swtpm;
  {
    Connection connection(swtpm.tcti(), unwatched());
    provision_attestation_key(connection);
    allocate_only_sha1(connection);
  }
  swtpm.restart();
  Connection connection(swtpm.tcti(), unwatched());
  CHECK(read_pcrs(connection, {TPM2_ALG_SHA1, 0xFF}).size() == 8);
  CHECK_THROWS_WITH_AS((void)read_pcrs(connection, kPcrs), doctest::Contains("not allocated"), Error);
  CHECK_THROWS_WITH_AS((void)quote(connection, kAttestationKey, {}, kPcrs), doctest::Contains("not allocated"), Error);
  EphemeralKey key({kPcrs});
  CHECK_THROWS_WITH_AS((void)key.certify(connection, kAttestationKey), doctest::Contains("not allocated"), Error);
  CHECK(count_loaded(connection) == 0);
}

TEST_CASE("the policy is the PolicyPCR digest of the TPM specification") {
  // From the reference client's transcript: PCR digest, selection 0-7 and the policy that the TPM computed.
  const Sha256Digest pcrs = {0xd5, 0x5b, 0xef, 0xd6, 0x48, 0x2f, 0xc0, 0x9a, 0xcc, 0x7f, 0xf9,
                             0x30, 0xff, 0xbe, 0x4b, 0x28, 0x52, 0x0c, 0x7b, 0x94, 0x5f, 0x9a,
                             0x19, 0xdb, 0x6a, 0xbb, 0x3b, 0x45, 0xad, 0xd8, 0x17, 0x8b};
  const Sha256Digest policy = {0x58, 0x2d, 0x26, 0x7d, 0x4a, 0x80, 0x1c, 0x1f, 0x91, 0x40, 0xf1,
                               0xfd, 0x85, 0x25, 0x40, 0x28, 0x32, 0xa8, 0x06, 0xc3, 0x7b, 0xa8,
                               0x85, 0x0b, 0x67, 0xf3, 0x9b, 0x5d, 0x6a, 0xe3, 0xc9, 0x22};
  CHECK(policy_pcr_digest(kPcrs, pcrs) == policy);
  const Bytes in_public = marshal(ephemeral_key_template(policy));
  REQUIRE(in_public.size() == 312);
  const std::array<std::uint8_t, 12> head = {0x01, 0x36, 0x00, 0x01, 0x00, 0x0b, 0x00, 0x02, 0x04, 0x32, 0x00, 0x20};
  CHECK(std::equal(head.begin(), head.end(), in_public.begin()));
  const std::array<std::uint8_t, 12> details = {0x00, 0x10, 0x00, 0x10, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00};
  CHECK(std::equal(details.begin(), details.end(), in_public.begin() + 44));
  CHECK(std::all_of(in_public.begin() + 56, in_public.end(), [](std::uint8_t byte) { return byte == 0; }));
}
