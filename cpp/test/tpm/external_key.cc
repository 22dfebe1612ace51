#include "test/tpm/external_key.h"

#include "core/tpm/authorization.h"
#include "test/tpm/sys_extra.h"

namespace cga::test {

using namespace tpm;

TPM2_HANDLE load_external(Connection& connection, ByteView modulus, ByteView prime) {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_RSA;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_DECRYPT | TPMA_OBJECT_NODA;
  area.publicArea.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
  area.publicArea.parameters.rsaDetail.keyBits = 2048;
  fill(area.publicArea.unique.rsa, modulus, "a modulus");
  TPM2B_SENSITIVE sensitive{};
  sensitive.sensitiveArea.sensitiveType = TPM2_ALG_RSA;
  fill(sensitive.sensitiveArea.sensitive.rsa, prime, "a prime");
  TPM2_HANDLE handle = 0;
  connection.run("TPM2_LoadExternal", [&](TSS2_SYS_CONTEXT* context) {
    TPM2B_NAME name{};
    return CGA_SYS_EXTRA(LoadExternal)(context, nullptr, &sensitive, &area, TPM2_RH_NULL, &handle, &name, nullptr);
  });
  return handle;
}

TSS2_RC decrypt_external(Connection& connection, TPM2_HANDLE key, ByteView ciphertext, const RsaScheme& scheme,
                         Bytes& message) {
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  const RsaDecryption decryption(ciphertext, scheme);
  return decryption.run(connection, message, [&](TSS2_SYS_CONTEXT* context, TPM2B_PUBLIC_KEY_RSA& plaintext) {
    return decryption.send(context, key, authorization, plaintext);
  });
}

}  // namespace cga::test
