#include "core/tpm/session_protection.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>

#include "core/tpm/object.h"
#include "core/tpm/session_crypto.h"

namespace cga::tpm {
namespace {

constexpr std::size_t kSaltBytes = 32;
constexpr std::array<std::uint8_t, 4> kSuccess{};
constexpr std::array<std::uint8_t, 4> kRsaDecrypt{0x00, 0x00, 0x01, 0x59};  // TPM_CC_RSA_Decrypt

void check(TSS2_RC rc, const char* what) {
  if (rc != TSS2_RC_SUCCESS) throw tpm_error(what, rc);
}

ByteView view(const TPM2B_NONCE& nonce) {
  return {nonce.buffer, nonce.size};
}

}  // namespace

SessionProtection::SessionProtection(Connection& connection, const SaltKey& key) : salt_(kSaltBytes) {
  const PublicArea area = read_public(connection, key.handle);
  const TPMT_PUBLIC& salt_key = area.area.publicArea;
  if (salt_key.type != TPM2_ALG_RSA || salt_key.nameAlg != TPM2_ALG_SHA256 || name_of(area.area) != area.name) {
    throw Error(ErrorKind::kTpm, "the key for protected sessions is not an RSA key with SHA-256");
  }
  if (!key.name.empty() && key.name != area.name) {
    throw Error(ErrorKind::kTpm, "the key for protected sessions is not the one expected");
  }
  if (RAND_bytes(salt_.data(), kSaltBytes) != 1) throw Error(ErrorKind::kCrypto, "no random bytes for a salt");
  encrypted_salt_ = encrypt_salt(salt_key, salt_);
}

void SessionProtection::started(const TPM2B_NONCE& nonce_caller, const TPM2B_NONCE& nonce_tpm) {
  session_key_ = kdfa(salt_, "ATH", view(nonce_tpm), view(nonce_caller), sizeof(Sha256Digest));
  nonce_tpm_ = nonce_tpm;
  salt_.clear();
}

TSS2_RC SessionProtection::rsa_decrypt(TSS2_SYS_CONTEXT* context, TPM2_HANDLE key, ByteView key_name,
                                       TSS2L_SYS_AUTH_COMMAND authorization, const RsaDecryption& decryption,
                                       TPM2B_PUBLIC_KEY_RSA& plaintext) {
  check(tss().RSA_Decrypt_Prepare(context, key, &decryption.cipher_text(), &decryption.padding(), &decryption.label()),
        "preparing TPM2_RSA_Decrypt");
  TPMS_AUTH_COMMAND& session = authorization.auths[0];
  session.sessionAttributes |= TPMA_SESSION_ENCRYPT;
  sign(context, key_name, session);
  check(tss().SetCmdAuths(context, &authorization), "authorizing TPM2_RSA_Decrypt");
  const TSS2_RC rc = tss().Execute(context);
  if (rc != TSS2_RC_SUCCESS) return rc;
  if (!accept(context, session)) return TSS2_SYS_RC_MALFORMED_RESPONSE;
  decrypt_response(context, session.nonce);
  return tss().RSA_Decrypt_Complete(context, &plaintext);
}

void SessionProtection::sign(TSS2_SYS_CONTEXT* context, ByteView key_name, TPMS_AUTH_COMMAND& session) const {
  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  check(tss().GetCpBuffer(context, &size, &parameters), "reading command parameters");
  const Sha256Digest command = sha256({kRsaDecrypt, key_name, {parameters, size}});
  const std::array<std::uint8_t, 1> attributes{session.sessionAttributes};
  fill(session.hmac, hmac_sha256(session_key_, {command, view(session.nonce), view(nonce_tpm_), attributes}),
       "an HMAC");
}

bool SessionProtection::accept(TSS2_SYS_CONTEXT* context, const TPMS_AUTH_COMMAND& session) {
  TSS2L_SYS_AUTH_RESPONSE answer{};
  std::size_t size = 0;
  const std::uint8_t* parameters = nullptr;
  if (tss().GetRspAuths(context, &answer) != TSS2_RC_SUCCESS || answer.count != 1 ||
      tss().GetRpBuffer(context, &size, &parameters) != TSS2_RC_SUCCESS) {
    return false;
  }
  const TPMS_AUTH_RESPONSE& theirs = answer.auths[0];
  const Sha256Digest response = sha256({kSuccess, kRsaDecrypt, {parameters, size}});
  const std::array<std::uint8_t, 1> attributes{theirs.sessionAttributes};
  const Bytes expected = hmac_sha256(session_key_, {response, view(theirs.nonce), view(session.nonce), attributes});
  if (theirs.hmac.size != expected.size() || CRYPTO_memcmp(theirs.hmac.buffer, expected.data(), expected.size()) != 0) {
    return false;
  }
  nonce_tpm_ = theirs.nonce;
  return true;
}

void SessionProtection::decrypt_response(TSS2_SYS_CONTEXT* context, const TPM2B_NONCE& nonce_caller) const {
  std::size_t size = 0;
  const std::uint8_t* parameter = nullptr;
  check(tss().GetEncryptParam(context, &size, &parameter), "reading an encrypted parameter");
  Bytes plain = to_bytes(parameter, size);
  decrypt_parameter(session_key_, view(nonce_tpm_), view(nonce_caller), plain);
  check(tss().SetEncryptParam(context, plain.size(), plain.data()), "writing a decrypted parameter");
}

}  // namespace cga::tpm
