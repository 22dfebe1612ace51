#include "test/tpm/guest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <memory>
#include <stdexcept>

#include "core/tpm/authorization.h"
#include "core/tpm/capability.h"
#include "core/tpm/object.h"
#include "test/tpm/sys_extra.h"

namespace cga::test {
namespace {

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

void require(bool condition) {
  if (!condition) throw std::runtime_error("OpenSSL failed in a test");
}

/// The modulus is the last field of the structure.
Owned<EVP_PKEY> rsa_key(ByteView public_area) {
  const Owned<BIGNUM> n(BN_bin2bn(public_area.data() + public_area.size() - 256, 256, nullptr));
  const Owned<BIGNUM> e(BN_new());
  BN_set_word(e.get(), 65537);
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  require(EVP_PKEY_fromdata_init(context.get()) == 1);
  require(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1);
  return Owned<EVP_PKEY>(key);
}

const EVP_MD* digest_of(TPM2_ALG_ID hash) {
  switch (hash) {
    case TPM2_ALG_SHA1:
      return EVP_sha1();
    case TPM2_ALG_SHA384:
      return EVP_sha384();
    case TPM2_ALG_SHA512:
      return EVP_sha512();
    default:
      return EVP_sha256();
  }
}

}  // namespace

void provision_attestation_key(tpm::Connection& connection) {
  TPM2B_PUBLIC area{};
  area.publicArea.type = TPM2_ALG_RSA;
  area.publicArea.nameAlg = TPM2_ALG_SHA256;
  area.publicArea.objectAttributes = 0x00050472;
  area.publicArea.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
  area.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
  area.publicArea.parameters.rsaDetail.scheme.details.rsassa.hashAlg = TPM2_ALG_SHA256;
  area.publicArea.parameters.rsaDetail.keyBits = 2048;
  const TPM2B_SENSITIVE_CREATE sensitive{};
  const TPM2B_DATA outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  const TSS2L_SYS_AUTH_COMMAND authorization = tpm::password_authorization();
  TPM2_HANDLE handle = 0;
  connection.run("TPM2_CreatePrimary", [&](TSS2_SYS_CONTEXT* context) {
    TPM2B_PUBLIC out{};
    TPM2B_CREATION_DATA data{};
    TPM2B_DIGEST hash{};
    TPMT_TK_CREATION ticket{};
    TPM2B_NAME name{};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tpm::tss().CreatePrimary(context, TPM2_RH_ENDORSEMENT, &authorization, &sensitive, &area, &outside, &no_pcrs,
                                    &handle, &out, &data, &hash, &ticket, &name, &response);
  });
  connection.run("TPM2_EvictControl", [&](TSS2_SYS_CONTEXT* context) {
    TSS2L_SYS_AUTH_RESPONSE response{};
    return CGA_SYS_EXTRA(EvictControl)(context, TPM2_RH_OWNER, handle, &authorization, kAttestationKey, &response);
  });
  tpm::flush(connection, handle);
}

void extend_pcr(tpm::Connection& connection, std::uint32_t index, TPM2_ALG_ID bank) {
  TPML_DIGEST_VALUES digests{};
  digests.count = 1;
  digests.digests[0].hashAlg = bank;
  digests.digests[0].digest.sha256[0] = 1;
  const TSS2L_SYS_AUTH_COMMAND authorization = tpm::password_authorization();
  connection.run("TPM2_PCR_Extend", [&](TSS2_SYS_CONTEXT* context) {
    TSS2L_SYS_AUTH_RESPONSE response{};
    return CGA_SYS_EXTRA(PCR_Extend)(context, index, &authorization, &digests, &response);
  });
}

void allocate_only_sha1(tpm::Connection& connection) {
  TPML_PCR_SELECTION banks{};
  for (const TPM2_ALG_ID bank : {TPM2_ALG_SHA1, TPM2_ALG_SHA256, TPM2_ALG_SHA384, TPM2_ALG_SHA512}) {
    TPMS_PCR_SELECTION& selection = banks.pcrSelections[banks.count++];
    selection.hash = bank;
    selection.sizeofSelect = 3;
    for (BYTE& pcrs : selection.pcrSelect) pcrs = bank == TPM2_ALG_SHA1 ? 0xFF : 0;
  }
  const TSS2L_SYS_AUTH_COMMAND authorization = tpm::password_authorization();
  connection.run("TPM2_PCR_Allocate", [&](TSS2_SYS_CONTEXT* context) {
    TPMI_YES_NO success = TPM2_NO;
    UINT32 maximum = 0;
    UINT32 needed = 0;
    UINT32 available = 0;
    TSS2L_SYS_AUTH_RESPONSE response{};
    return CGA_SYS_EXTRA(PCR_Allocate)(context, TPM2_RH_PLATFORM, &authorization, &banks, &success, &maximum, &needed,
                                       &available, &response);
  });
}

std::size_t count_loaded(tpm::Connection& connection) {
  return tpm::read_handles(connection, TPM2_TRANSIENT_FIRST).size() +
         tpm::read_handles(connection, TPM2_LOADED_SESSION_FIRST).size();
}

std::vector<std::uint8_t> encrypt(ByteView public_area, ByteView message, const tpm::RsaScheme& scheme) {
  const Owned<EVP_PKEY> key = rsa_key(public_area);
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(key.get(), nullptr));
  require(EVP_PKEY_encrypt_init(context.get()) == 1);
  if (scheme.scheme == TPM2_ALG_OAEP) {
    require(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
    require(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), digest_of(scheme.hash)) == 1);
    require(EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest_of(scheme.hash)) == 1);
  } else {
    require(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
  }
  std::vector<std::uint8_t> ciphertext(256);
  std::size_t size = ciphertext.size();
  require(EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, message.data(), message.size()) == 1);
  return ciphertext;
}

bool verify(ByteView public_area, const tpm::Attestation& attestation) {
  const Owned<EVP_PKEY> key = rsa_key(public_area);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  require(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  return EVP_DigestVerify(context.get(), attestation.signature.data(), attestation.signature.size(),
                          attestation.message.data(), attestation.message.size()) == 1;
}

}  // namespace cga::test
