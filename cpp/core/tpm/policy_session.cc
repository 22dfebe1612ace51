#include "core/tpm/policy_session.h"

#include <openssl/rand.h>

#include <algorithm>

#include "core/tpm/object.h"

namespace cga::tpm {
namespace {

constexpr UINT16 kNonceSize = 16;  // the least that TPM2_StartAuthSession takes

TPM2B_NONCE fresh_nonce() {
  TPM2B_NONCE nonce{};
  nonce.size = kNonceSize;
  if (RAND_bytes(nonce.buffer, kNonceSize) != 1) throw Error(ErrorKind::kCrypto, "no random bytes for a nonce");
  return nonce;
}

}  // namespace

void PolicySession::start(Connection& connection) {
  const TPM2B_NONCE nonce_caller = fresh_nonce();
  TPM2B_ENCRYPTED_SECRET salt{};
  TPMT_SYM_DEF symmetric{};
  symmetric.algorithm = TPM2_ALG_NULL;
  if (salt_key_.handle == 0) {
    protection_.reset();
  } else {
    const ByteView encrypted_salt = protection_.emplace(connection, salt_key_).encrypted_salt();
    if (encrypted_salt.size() > sizeof salt.secret) {
      throw Error(ErrorKind::kTpm, "the key for protected sessions is too large");
    }
    salt.size = static_cast<UINT16>(encrypted_salt.size());
    std::copy(encrypted_salt.begin(), encrypted_salt.end(), salt.secret);
    symmetric.algorithm = TPM2_ALG_AES;
    symmetric.keyBits.aes = 128;
    symmetric.mode.aes = TPM2_ALG_CFB;
  }
  const TPMI_DH_OBJECT salt_key = protection_ ? salt_key_.handle : TPM2_RH_NULL;
  TPM2B_NONCE nonce_tpm{};
  TPMI_SH_AUTH_SESSION handle = 0;
  const TSS2_RC rc = try_load(connection, HandleKind::kSession, handle, [&](TSS2_SYS_CONTEXT* context) {
    nonce_tpm = {};
    return tss().StartAuthSession(context, salt_key, TPM2_RH_NULL, nullptr, &nonce_caller, &salt, TPM2_SE_POLICY,
                                  &symmetric, TPM2_ALG_SHA256, &handle, &nonce_tpm, nullptr);
  });
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("TPM2_StartAuthSession", rc);
  ScopedHandle started(connection, handle);
  if (protection_) protection_->started(nonce_caller, nonce_tpm);
  handle_ = started.take();
  has_policy_ = ready_ = false;
}

TSS2_RC PolicySession::policy_pcr(Connection& connection, const PcrSelection& selection, const Sha256Digest& digest) {
  TPM2B_DIGEST expected{};
  fill(expected, digest, "a PCR digest");
  const TPML_PCR_SELECTION pcrs = selection.to_tpm();
  if (has_policy_) {
    // It is not known whether the last command was carried out. If it was, a protected session's nonce has moved on.
    if (protection_)
      flush(connection);
    else
      restart(connection);
  }
  if (!open()) start(connection);
  has_policy_ = true;
  const TSS2_RC rc = connection.try_run(
      [&](TSS2_SYS_CONTEXT* context) { return tss().PolicyPCR(context, handle_, nullptr, &expected, &pcrs, nullptr); });
  ready_ = rc == TSS2_RC_SUCCESS;
  return rc;
}

void PolicySession::restart(Connection& connection) {
  if (!open() || connection.broken()) return;
  ready_ = false;
  const TSS2_RC rc = connection.try_run(
      [&](TSS2_SYS_CONTEXT* context) { return tss().PolicyRestart(context, handle_, nullptr, nullptr); });
  has_policy_ = rc != TSS2_RC_SUCCESS;
  if (has_policy_) flush(connection);
}

void PolicySession::flush(Connection& connection) noexcept {
  if (!open() || connection.broken()) return;
  tpm::flush(connection, handle_);
  if (!connection.broken()) handle_ = 0;
}

void PolicySession::forget(Connection& connection) noexcept {
  if (open() && connection.loaded_handles() != nullptr) connection.loaded_handles()->remove(handle_);
  handle_ = 0;
}

TSS2_RC PolicySession::rsa_decrypt(Connection& connection, TPM2_HANDLE key, ByteView key_name, ByteView ciphertext,
                                   const RsaScheme& scheme, Bytes& message) {
  const RsaDecryption decryption(ciphertext, scheme);
  ready_ = false;
  const TSS2_RC rc =
      decryption.run(connection, message, [&](TSS2_SYS_CONTEXT* context, TPM2B_PUBLIC_KEY_RSA& plaintext) {
        const TSS2L_SYS_AUTH_COMMAND area = authorization();
        return protection_ ? protection_->rsa_decrypt(context, key, key_name, area, decryption, plaintext)
                           : decryption.send(context, key, area, plaintext);
      });
  // Carried out, it has used the policy up.
  if (rc == TSS2_RC_SUCCESS) has_policy_ = false;
  return rc;
}

TSS2L_SYS_AUTH_COMMAND PolicySession::authorization() const {
  TSS2L_SYS_AUTH_COMMAND authorization{};
  authorization.count = 1;
  authorization.auths[0].sessionHandle = handle_;
  authorization.auths[0].nonce = fresh_nonce();
  authorization.auths[0].sessionAttributes = TPMA_SESSION_CONTINUESESSION;
  return authorization;
}

}  // namespace cga::tpm
