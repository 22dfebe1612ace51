#include "core/tpm/commands.h"

#include "core/tpm/attestation_key.h"
#include "core/tpm/capability.h"
#include "core/tpm/object.h"
#include "core/tpm/pcr.h"

namespace cga::tpm::commands {
namespace {

/// How content keys are wrapped: RSA-OAEP-256 of RFC 7518.
constexpr RsaScheme kWrapping{TPM2_ALG_OAEP, TPM2_ALG_SHA256};

Connection& connection(const Turn& turn) {
  return turn.device.connection();
}

EphemeralKey& key(const Turn& turn, const KeyChoice& choice) {
  return turn.device.ephemeral_key({{TPM2_ALG_SHA256, choice.mask}, choice.unique, turn.salt_key});
}

/// Before a command that must not be carried out twice: its answer may have got lost with the link.
void send_once(const Turn& turn, const char* what) {
  if (turn.memory.sent) {
    throw Error(ErrorKind::kTpm, std::string("the TPM's answer got lost, and ") + what, TSS2_TCTI_RC_IO_ERROR);
  }
  (void)connection(turn);  // a link that cannot be opened has carried nothing out
  turn.memory.sent = true;
}

}  // namespace

Result read_pcrs(const Turn& turn, const PcrSelection& selection) {
  return tpm::read_pcrs(connection(turn), selection);
}

Result extend_pcr(const Turn& turn, std::uint32_t index, TPM2_ALG_ID bank, const Bytes& digest) {
  send_once(turn, "the PCR may have been extended");
  tpm::extend_pcr(connection(turn), index, bank, digest);
  return std::monostate{};
}

Result event_pcr(const Turn& turn, std::uint32_t index, const Bytes& data) {
  send_once(turn, "the PCR may have been extended");
  return tpm::event_pcr(connection(turn), index, data);
}

Result read_public(const Turn& turn, TPM2_HANDLE handle) {
  return tpm::read_public(connection(turn), handle);
}

Result nv_read(const Turn& turn, TPM2_HANDLE index) {
  return turn.device.non_volatile().read(index);
}

Result nv_read_if_defined(const Turn& turn, TPM2_HANDLE index) {
  return turn.device.non_volatile().read_if_defined(index);
}

Result nv_read_public(const Turn& turn, TPM2_HANDLE index) {
  return turn.device.non_volatile().read_public(index);
}

Result nv_write(const Turn& turn, TPM2_HANDLE index, const Bytes& data) {
  turn.device.non_volatile().write(index, data);
  return std::monostate{};
}

Result nv_write_then_read(const Turn& turn, TPM2_HANDLE write_index, const Bytes& data, TPM2_HANDLE read_index) {
  NonVolatile nv = turn.device.non_volatile();
  nv.write(write_index, data);
  return nv.read(read_index);
}

Result nv_replace(const Turn& turn, TPM2_HANDLE index, const Bytes& data) {
  turn.device.non_volatile().replace(index, data, turn.memory.backup);
  return std::monostate{};
}

Result quote(const Turn& turn, TPM2_HANDLE key, const Bytes& qualifying_data, const PcrSelection& selection) {
  return tpm::quote(connection(turn), key, qualifying_data, selection);
}

Result certify_ephemeral_key(const Turn& turn, TPM2_HANDLE attestation_key, const KeyChoice& choice) {
  return key(turn, choice).certify(connection(turn), attestation_key);
}

Result prepare_decrypt(const Turn& turn, const KeyChoice& choice) {
  key(turn, choice).prepare_decrypt(connection(turn));
  return std::monostate{};
}

Result rsa_decrypt(const Turn& turn, const Bytes& ciphertext, const KeyChoice& choice, const OwnedRsaScheme& scheme) {
  return key(turn, choice).decrypt(connection(turn), ciphertext, scheme.view());
}

Result rsa_decrypt_secret(const Turn& turn, const Bytes& ciphertext, const KeyChoice& choice,
                          const OwnedRsaScheme& scheme) {
  return crypto::SecretBytes::copy_of(key(turn, choice).decrypt(connection(turn), ciphertext, scheme.view()));
}

Result decrypt_secret_with(const Turn& turn, TPM2_HANDLE key, const Bytes& ciphertext, const OwnedRsaScheme& scheme) {
  return crypto::SecretBytes::copy_of(decrypt_with_password(connection(turn), key, ciphertext, scheme.view()));
}

Result unwrap_key(const Turn& turn, const Bytes& wrapped, const KeyChoice& choice) {
  std::optional<Bytes> unwrapped = key(turn, choice).unwrap(connection(turn), wrapped, kWrapping);
  if (!unwrapped) return std::monostate{};
  return *std::move(unwrapped);
}

Result confirm_key(const Turn& turn, const KeyChoice& choice) {
  return key(turn, choice).confirm(connection(turn));
}

Result capabilities(const Turn& turn) {
  return DeviceReport{read_capabilities(connection(turn)), read_handles(connection(turn), TPM2_TRANSIENT_FIRST),
                      read_handles(connection(turn), TPM2_LOADED_SESSION_FIRST), turn.device.has_resource_manager()};
}

Result handles(const Turn& turn, TPM2_HANDLE first) {
  return read_handles(connection(turn), first);
}

}  // namespace cga::tpm::commands
