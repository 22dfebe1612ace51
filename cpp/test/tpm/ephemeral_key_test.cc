#include "core/tpm/ephemeral_key.h"

#include <doctest/doctest.h>

#include "core/tpm/capability.h"
#include "test/tpm/guest.h"
#include "test/tpm/swtpm.h"

using namespace cga;
using namespace cga::tpm;
using namespace cga::test;

namespace {

const Bytes kMessage = {'c', 'o', 'n', 't', 'e', 'n', 't', ' ', 'k', 'e', 'y'};
constexpr RsaScheme kOaep{TPM2_ALG_OAEP, TPM2_ALG_SHA256};

}  // namespace

TEST_CASE("the ephemeral key") {
  Swtpm swtpm;
  Connection connection(swtpm.tcti(), unwatched());
  provision_attestation_key(connection);
  EphemeralKey key({kPcrs});
  const CertifiedKey certified = key.certify(connection, kAttestationKey);
  const auto ciphertext = encrypt(certified.public_area, kMessage, kOaep);
  const auto flush_objects = [&] {
    for (const TPM2_HANDLE handle : read_handles(connection, TPM2_TRANSIENT_FIRST)) flush(connection, handle);
  };

  SUBCASE("is certified by the attestation key") {
    const Bytes ak = marshal(read_public(connection, kAttestationKey).area);
    CHECK(verify(ak, certified.certification));
  }

  SUBCASE("is the same when it is made again under the same state") {
    key.flush(connection);
    CHECK(count_loaded(connection) == 0);
    EphemeralKey second({kPcrs});
    CHECK(second.certify(connection, kAttestationKey).public_area == certified.public_area);
    CHECK(second.decrypt(connection, ciphertext, kOaep) == kMessage);
    second.flush(connection);
  }

  SUBCASE("opens every padding of the protocol") {
    for (const RsaScheme& scheme :
         {RsaScheme{TPM2_ALG_RSAES, TPM2_ALG_NULL}, RsaScheme{TPM2_ALG_OAEP, TPM2_ALG_SHA1}, kOaep,
          RsaScheme{TPM2_ALG_OAEP, TPM2_ALG_SHA384}, RsaScheme{TPM2_ALG_OAEP, TPM2_ALG_SHA512}}) {
      CAPTURE(scheme.hash);
      const auto sealed = encrypt(certified.public_area, kMessage, scheme);
      CHECK(key.decrypt(connection, sealed, scheme) == kMessage);
    }
  }

  SUBCASE("refuses what is not its own, with the TPM's code, and stays") {
    for (const std::size_t size : {0U, 1U, 255U, 257U, 512U}) {
      const Bytes wrong(size, 0x11);
      CHECK_THROWS_AS((void)key.decrypt(connection, wrong, kOaep), Error);
    }
    CHECK_THROWS_AS((void)key.decrypt(connection, Bytes(513), kOaep), Error);
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, {TPM2_ALG_OAEP, TPM2_ALG_SHA1}), Error);
    CHECK_THROWS_AS((void)key.decrypt(connection, Bytes(256, 0xFF), kOaep), Error);
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
  }

  SUBCASE("unwraps, and says of a refused block nothing but that; what is stale is found by asking") {
    CHECK(key.unwrap(connection, ciphertext, kOaep) == kMessage);
    CHECK(key.confirm(connection));
    CHECK_FALSE(key.unwrap(connection, Bytes(256, 0x11), kOaep).has_value());
    CHECK_FALSE(key.unwrap(connection, Bytes(256, 0xFF), kOaep).has_value());
    CHECK(key.confirm(connection));
    CHECK(key.unwrap(connection, ciphertext, kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
    // Parked, it is what it was.
    CHECK(key.park(connection));
    CHECK(key.confirm(connection));
    CHECK(key.unwrap(connection, ciphertext, kOaep) == kMessage);
    CHECK_FALSE(EphemeralKey({kPcrs}).confirm(connection));
  }

  SUBCASE("finds out that another key has its handle, and comes back") {
    CHECK(key.unwrap(connection, ciphertext, kOaep) == kMessage);
    swtpm.restart();
    // Another program's key and session are where its own were.
    EphemeralKey other({kPcrs});
    const CertifiedKey fresh = other.certify(connection, kAttestationKey);
    const auto again = encrypt(fresh.public_area, kMessage, kOaep);
    CHECK(other.unwrap(connection, again, kOaep) == kMessage);
    CHECK_FALSE(key.unwrap(connection, ciphertext, kOaep).has_value());
    CHECK_FALSE(key.confirm(connection));
    CHECK(key.unwrap(connection, again, kOaep) == kMessage);
    CHECK(key.confirm(connection));
    other.flush(connection);
  }

  SUBCASE("is another one only when its own PCRs change") {
    extend_pcr(connection, 8, TPM2_ALG_SHA256);
    extend_pcr(connection, 7, TPM2_ALG_SHA1);
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    extend_pcr(connection, 7, TPM2_ALG_SHA256);
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, kOaep), Error);
    const CertifiedKey fresh = key.certify(connection, kAttestationKey);
    CHECK(fresh.public_area != certified.public_area);
    CHECK(key.decrypt(connection, encrypt(fresh.public_area, kMessage, kOaep), kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
  }

  SUBCASE("decrypts the same when that was prepared, whatever has happened in between") {
    const auto prepared = [&] {
      key.prepare_decrypt(connection);
      key.prepare_decrypt(connection);
    };
    const auto opens = [&] { return key.decrypt(connection, ciphertext, kOaep) == kMessage; };
    prepared();
    CHECK(opens());
    CHECK(opens());
    prepared();
    CHECK_THROWS_AS((void)key.decrypt(connection, Bytes(256, 0xFF), kOaep), Error);
    CHECK(opens());
    prepared();
    extend_pcr(connection, 8, TPM2_ALG_SHA256);  // none of the key's
    CHECK(opens());
    prepared();
    for (const TPM2_HANDLE handle : read_handles(connection, TPM2_LOADED_SESSION_FIRST)) flush(connection, handle);
    CHECK(opens());
    prepared();
    flush_objects();
    for (const TPM2_HANDLE handle : read_handles(connection, TPM2_LOADED_SESSION_FIRST)) flush(connection, handle);
    CHECK(opens());
    prepared();
    CHECK(key.park(connection));
    key.prepare_decrypt(connection);
    CHECK(count_loaded(connection) == 0);
    CHECK(opens());
    prepared();
    extend_pcr(connection, 7, TPM2_ALG_SHA256);
    key.prepare_decrypt(connection);
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, kOaep), Error);
    key.prepare_decrypt(connection);
    const CertifiedKey fresh = key.certify(connection, kAttestationKey);
    CHECK(key.decrypt(connection, encrypt(fresh.public_area, kMessage, kOaep), kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
    prepared();
    swtpm.restart();
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, kOaep), Error);
  }

  SUBCASE("is made again when the TPM was reset") {
    swtpm.restart();
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, kOaep), Error);
    const CertifiedKey fresh = key.certify(connection, kAttestationKey);
    CHECK(fresh.public_area != certified.public_area);
    swtpm.restart();
    const CertifiedKey third = key.certify(connection, kAttestationKey);
    CHECK(key.decrypt(connection, encrypt(third.public_area, kMessage, kOaep), kOaep) == kMessage);
  }

  SUBCASE("comes back when somebody else has flushed it, or its session") {
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    flush_objects();
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    for (const TPM2_HANDLE handle : read_handles(connection, TPM2_LOADED_SESSION_FIRST)) flush(connection, handle);
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
  }

  SUBCASE("takes its session along when somebody else has flushed it, however that is found out") {
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    flush_objects();
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    CHECK(count_loaded(connection) == 2);
    flush_objects();
    CHECK_FALSE(key.confirm(connection));
    CHECK(count_loaded(connection) == 0);
    CHECK(key.unwrap(connection, ciphertext, kOaep) == kMessage);
    flush_objects();
    CHECK(key.certify(connection, kAttestationKey).public_area == certified.public_area);
    CHECK(count_loaded(connection) == 1);
    // Another program's key of the same handle stays.
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    flush_objects();
    EphemeralKey other({PcrSelection{TPM2_ALG_SHA256, 1}});
    (void)other.certify(connection, kAttestationKey);
    CHECK_FALSE(key.confirm(connection));
    CHECK(count_loaded(connection) == 1);
    other.flush(connection);
  }

  SUBCASE("leaves its slots and comes back from its context") {
    CHECK(key.park(connection));
    CHECK(count_loaded(connection) == 0);
    CHECK_FALSE(key.park(connection));
    CHECK(key.decrypt(connection, ciphertext, kOaep) == kMessage);
    CHECK(key.park(connection));
    swtpm.restart();
    CHECK_THROWS_AS((void)key.decrypt(connection, ciphertext, kOaep), Error);
  }

  key.flush(connection);
  CHECK(count_loaded(connection) == 0);
}
