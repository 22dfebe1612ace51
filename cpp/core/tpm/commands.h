// What a client can ask of the TPM: every call of the binding, declared once.
//
// The binding reads the arguments of a call off the function's signature (cpp/binding/tpm_arguments.h), so a new
// command is a function here, its row in kCommands, and its lines in binding.d.ts and lib/tpm.
#pragma once

#include <tuple>

#include "core/tpm/device.h"
#include "core/tpm/result.h"

namespace cga::tpm {

/// What outlives an attempt that the TPM's link broke off: the command is then run again.
struct Memory {
  NvBackup backup;
  /// A command was sent that must not be carried out twice.
  bool sent = false;
};

/// A client's turn at the TPM.
struct Turn {
  Device& device;
  const SaltKey& salt_key;
  Memory& memory;
};

/// Which ephemeral key a call means, under the SHA-256 PCRs of `mask`.
struct KeyChoice {
  std::uint32_t mask;
  KeyTemplate unique;
};

struct OwnedRsaScheme {
  TPM2_ALG_ID scheme;
  TPM2_ALG_ID hash;
  Bytes label;
  [[nodiscard]] RsaScheme view() const { return {scheme, hash, label}; }
};

namespace commands {

Result read_pcrs(const Turn& turn, const PcrSelection& selection);
Result extend_pcr(const Turn& turn, std::uint32_t index, TPM2_ALG_ID bank, const Bytes& digest);
/// The digests that the banks were extended by, with the bank as their index.
Result event_pcr(const Turn& turn, std::uint32_t index, const Bytes& data);
Result read_public(const Turn& turn, TPM2_HANDLE handle);
Result nv_read(const Turn& turn, TPM2_HANDLE index);
Result nv_read_if_defined(const Turn& turn, TPM2_HANDLE index);
Result nv_read_public(const Turn& turn, TPM2_HANDLE index);
Result nv_write(const Turn& turn, TPM2_HANDLE index, const Bytes& data);
Result nv_write_then_read(const Turn& turn, TPM2_HANDLE write_index, const Bytes& data, TPM2_HANDLE read_index);
Result nv_replace(const Turn& turn, TPM2_HANDLE index, const Bytes& data);
Result quote(const Turn& turn, TPM2_HANDLE key, const Bytes& qualifying_data, const PcrSelection& selection);
Result certify_ephemeral_key(const Turn& turn, TPM2_HANDLE key, const KeyChoice& choice);
Result prepare_decrypt(const Turn& turn, const KeyChoice& choice);
Result rsa_decrypt(const Turn& turn, const Bytes& ciphertext, const KeyChoice& choice, const OwnedRsaScheme& scheme);
/// The same into memory that JavaScript does not see.
Result rsa_decrypt_secret(const Turn& turn, const Bytes& ciphertext, const KeyChoice& choice,
                          const OwnedRsaScheme& scheme);
/// With a persistent key whose auth value is empty.
Result decrypt_secret_with(const Turn& turn, TPM2_HANDLE key, const Bytes& ciphertext, const OwnedRsaScheme& scheme);
Result unwrap_key(const Turn& turn, const Bytes& wrapped, const KeyChoice& choice);
Result confirm_key(const Turn& turn, const KeyChoice& choice);
Result capabilities(const Turn& turn);
Result handles(const Turn& turn, TPM2_HANDLE first);

}  // namespace commands

/// A function and the name that JavaScript calls it by.
template <auto Function>
struct Command {
  const char* name;
};

inline constexpr std::tuple kCommands{
    Command<&commands::read_pcrs>{"readPcrs"},
    Command<&commands::extend_pcr>{"extendPcr"},
    Command<&commands::event_pcr>{"eventPcr"},
    Command<&commands::read_public>{"readPublic"},
    Command<&commands::nv_read>{"nvRead"},
    Command<&commands::nv_read_if_defined>{"nvReadIfDefined"},
    Command<&commands::nv_read_public>{"nvReadPublic"},
    Command<&commands::nv_write>{"nvWrite"},
    Command<&commands::nv_write_then_read>{"nvWriteThenRead"},
    Command<&commands::nv_replace>{"nvReplace"},
    Command<&commands::quote>{"quote"},
    Command<&commands::certify_ephemeral_key>{"certifyEphemeralKey"},
    Command<&commands::prepare_decrypt>{"prepareDecrypt"},
    Command<&commands::rsa_decrypt>{"rsaDecrypt"},
    Command<&commands::rsa_decrypt_secret>{"rsaDecryptSecret"},
    Command<&commands::decrypt_secret_with>{"decryptSecretWith"},
    Command<&commands::unwrap_key>{"unwrapKey"},
    Command<&commands::confirm_key>{"confirmKey"},
    Command<&commands::capabilities>{"capabilities"},
    Command<&commands::handles>{"handles"},
};

}  // namespace cga::tpm
