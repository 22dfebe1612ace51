#include "core/tpm/ephemeral_key.h"

#include "core/tpm/authorization.h"

namespace cga::tpm {
namespace {

constexpr UINT16 kModulusBytes = 256;

/// The PCRs are not as recorded, or changed between PolicyPCR and the command that it authorizes.
bool is_pcr_mismatch(TSS2_RC rc) noexcept {
  return (base_code(rc) == TPM2_RC_VALUE && !concerns_handle(rc)) || tpm_code(rc) == TPM2_RC_PCR_CHANGED;
}

}  // namespace

TPM2B_PUBLIC ephemeral_key_template(const Sha256Digest& policy, KeyTemplate unique) {
  TPM2B_PUBLIC area{};
  TPMT_PUBLIC& key = area.publicArea;
  key.type = TPM2_ALG_RSA;
  key.nameAlg = TPM2_ALG_SHA256;
  key.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                         TPMA_OBJECT_NODA | TPMA_OBJECT_DECRYPT;
  fill(key.authPolicy, policy, "a policy digest");
  key.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  key.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
  key.parameters.rsaDetail.keyBits = kModulusBytes * 8;
  key.parameters.rsaDetail.exponent = 0;
  key.unique.rsa.size = unique == KeyTemplate::kZeros ? kModulusBytes : 0;
  return area;
}

CertifiedKey EphemeralKey::certify(Connection& connection, TPM2_HANDLE attestation_key) {
  for (int attempt = 1;; ++attempt) {
    const Sha256Digest now = pcr_digest(read_pcrs(connection, selection_));
    if (now != pcr_digest_) flush(connection);
    if (handle_ == 0 && !restore(connection)) create(connection, now);
    try {
      Attestation certification = tpm::certify(connection, handle_, attestation_key);
      return {public_area_, std::move(certification)};
    } catch (const Error& error) {
      if (connection.broken() || attempt == retry::kKeyAttempts) throw;
      const Remains left = remains(connection);
      if (connection.broken() || left == Remains::kKeyAndSession) throw;
      forget_key(connection, left);
    }
  }
}

void EphemeralKey::prepare_decrypt(Connection& connection) {
  if (handle_ == 0 || session_.ready()) return;
  const TSS2_RC rc = session_.policy_pcr(connection, selection_, pcr_digest_);
  if (connection.broken()) throw tpm_error("TPM2_PolicyPCR", rc);
}

Bytes EphemeralKey::decrypt(Connection& connection, ByteView ciphertext, const RsaScheme& scheme) {
  for (int attempt = 1;; ++attempt) {
    TSS2_RC refusal = TSS2_RC_SUCCESS;
    std::optional<Bytes> message = decrypt_unless_refused(connection, ciphertext, scheme, refusal);
    if (message) return *std::move(message);
    if (confirm(connection) || attempt == retry::kKeyAttempts) throw tpm_error("TPM2_RSA_Decrypt", refusal);
  }
}

std::optional<Bytes> EphemeralKey::unwrap(Connection& connection, ByteView ciphertext, const RsaScheme& scheme) {
  TSS2_RC refusal = TSS2_RC_SUCCESS;
  return decrypt_unless_refused(connection, ciphertext, scheme, refusal);
}

std::optional<Bytes> EphemeralKey::decrypt_unless_refused(Connection& connection, ByteView ciphertext,
                                                          const RsaScheme& scheme, TSS2_RC& refusal) {
  for (int attempt = 1;; ++attempt) {
    ensure_loaded(connection);
    const char* command = "TPM2_PolicyPCR";
    TSS2_RC rc = TSS2_RC_SUCCESS;
    if (!session_.ready()) rc = session_.policy_pcr(connection, selection_, pcr_digest_);
    if (rc == TSS2_RC_SUCCESS) {
      command = "TPM2_RSA_Decrypt";
      Bytes message;
      rc = session_.rsa_decrypt(connection, handle_, name_, ciphertext, scheme, message);
      if (rc == TSS2_RC_SUCCESS) return message;
      if (is_refusal(rc)) {
        refusal = rc;
        return std::nullopt;
      }
      // The PCRs moved between the two commands: PolicyPCR says whether those of the key did.
      if (tpm_code(rc) == TPM2_RC_PCR_CHANGED && attempt < retry::kKeyAttempts) {
        session_.restart(connection);
        continue;
      }
    } else if (is_pcr_mismatch(rc) && attempt < retry::kKeyAttempts) {
      flush(connection);
      continue;
    }
    if (connection.broken()) throw tpm_error(command, rc);
    // Codes differ between makers, so ask what the TPM still holds.
    const Error failure = tpm_error(command, rc);
    const Remains left = remains(connection);
    if (connection.broken()) throw failure;
    if (attempt < retry::kKeyAttempts && left != Remains::kKeyAndSession) {
      forget_key(connection, left);
    } else if (attempt < retry::kKeyAttempts && is_handle_gone(rc)) {
      session_.flush(connection);  // in case that the code was a damaged one
    } else if (attempt < retry::kKeyAttempts && base_code(rc) == TPM2_RC_POLICY_FAIL) {
      session_.flush(connection);  // what it holds is not what was put into it
    } else {
      session_.restart(connection);
      throw failure;
    }
  }
}

bool EphemeralKey::confirm(Connection& connection) {
  if (handle_ == 0 && saved_) return true;  // parked since: it is looked at when it comes back
  const Remains left = remains(connection);
  const bool ours = left == Remains::kKeyAndSession;
  if (ours) session_.restart(connection);
  // On a new link it is asked again.
  if (connection.broken()) throw tpm_error("TPM2_PolicyRestart", TSS2_TCTI_RC_IO_ERROR);
  if (!ours) forget_key(connection, left);
  return ours;
}

void EphemeralKey::ensure_loaded(Connection& connection) {
  if (handle_ == 0 && !restore(connection)) create(connection, pcr_digest(read_pcrs(connection, selection_)));
  if (!session_.open()) session_.start(connection);
}

void EphemeralKey::create(Connection& connection, const Sha256Digest& pcr_digest) {
  const TPM2B_PUBLIC in_public = ephemeral_key_template(policy_pcr_digest(selection_, pcr_digest), unique_);
  const TPM2B_SENSITIVE_CREATE in_sensitive{};
  const TPM2B_DATA outside_info{};
  const TPML_PCR_SELECTION no_creation_pcrs{};
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  TPM2_HANDLE handle = 0;
  TPM2B_PUBLIC out_public{};
  TPM2B_NAME name{};
  const TSS2_RC rc = try_load(connection, HandleKind::kObject, handle, [&](TSS2_SYS_CONTEXT* context) {
    out_public = {};
    name = {};
    TPM2B_CREATION_DATA creation_data{};
    TPM2B_DIGEST creation_hash{};
    TPMT_TK_CREATION creation_ticket{};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().CreatePrimary(context, TPM2_RH_NULL, &authorization, &in_sensitive, &in_public, &outside_info,
                               &no_creation_pcrs, &handle, &out_public, &creation_data, &creation_hash,
                               &creation_ticket, &name, &response);
  });
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("TPM2_CreatePrimary", rc);
  {
    ScopedHandle loaded(connection, handle);
    public_area_ = marshal(out_public);
    name_ = name_of(out_public);
    epoch_ = read_epoch(connection);
    if (name_ == to_bytes(name.name, name.size)) handle_ = loaded.take();
  }
  if (handle_ == 0) connection.reject_answer("TPM2_CreatePrimary answered with a name that is not the key's");
  saved_.reset();
  pcr_digest_ = pcr_digest;
}

bool EphemeralKey::restore(Connection& connection) {
  if (!saved_) return false;
  TPMI_DH_CONTEXT handle = 0;
  const TSS2_RC rc = try_load(connection, HandleKind::kObject, handle,
                              [&](TSS2_SYS_CONTEXT* context) { return tss().ContextLoad(context, &*saved_, &handle); });
  if (connection.broken()) throw tpm_error("TPM2_ContextLoad", rc);
  if (is_out_of_slots(rc) || is_retry_warning(rc)) throw tpm_error("TPM2_ContextLoad", rc);
  saved_.reset();
  if (rc != TSS2_RC_SUCCESS) return false;  // made under another TPM reset
  handle_ = handle;
  return true;
}

EphemeralKey::Remains EphemeralKey::remains(Connection& connection) {
  if (handle_ == 0) return Remains::kNothing;
  try {
    if (read_epoch(connection) != epoch_) return Remains::kNothing;
    return read_public(connection, handle_).name == name_ ? Remains::kKeyAndSession : Remains::kSession;
  } catch (const Error& error) {
    // Anything else says nothing about the key: its handle must not be forgotten then.
    return is_handle_gone(error.tss_rc()) ? Remains::kSession : Remains::kKeyAndSession;
  }
}

void EphemeralKey::forget_key(Connection& connection, Remains remains) {
  if (remains == Remains::kSession) session_.flush(connection);
  // With the handles as they are: on a new link it is asked again.
  if (connection.broken()) throw tpm_error("TPM2_FlushContext", TSS2_TCTI_RC_IO_ERROR);
  forget(connection);
}

bool EphemeralKey::park(Connection& connection) noexcept {
  if (connection.broken() || !loaded()) return false;
  session_.flush(connection);
  if (handle_ == 0) return true;
  try {
    TPMS_CONTEXT saved{};
    const TSS2_RC rc =
        connection.try_run([&](TSS2_SYS_CONTEXT* context) { return tss().ContextSave(context, handle_, &saved); });
    if (rc == TSS2_RC_SUCCESS) saved_ = saved;
    tpm::flush(connection, handle_);
  } catch (const Error&) {
    return false;  // told to stop while waiting: it stays where it is
  }
  if (!connection.broken()) handle_ = 0;
  return true;
}

void EphemeralKey::flush(Connection& connection) noexcept {
  if (connection.broken()) return;
  session_.flush(connection);
  if (handle_ != 0) tpm::flush(connection, handle_);
  // A link that breaks here leaves the handle as it is, for the next attempt to flush. A TPM that does not flush it now
  // is asked again by LoadedHandles.
  if (connection.broken()) return;
  handle_ = 0;
  saved_.reset();
}

void EphemeralKey::forget(Connection& connection) noexcept {
  if (handle_ != 0 && connection.loaded_handles() != nullptr) connection.loaded_handles()->remove(handle_);
  handle_ = 0;
  saved_.reset();
  session_.forget(connection);
}

}  // namespace cga::tpm
