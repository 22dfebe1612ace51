#include "core/report/tpm_structures.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <memory>

namespace cga {

namespace {

constexpr std::uint16_t kAlgRsa = 0x0001;
constexpr std::uint16_t kAlgNull = 0x0010;
constexpr std::uint16_t kAlgRsaes = 0x0015;
constexpr std::size_t kMaximumDigest = 64;
constexpr std::size_t kMaximumName = 2 + kMaximumDigest;
constexpr std::uint32_t kMaximumBanks = 16;
constexpr std::size_t kMaximumSelect = 4;

std::vector<PcrSelection> read_selections(BigEndianReader& reader) {
  const std::uint32_t count = reader.u32();
  if (count > kMaximumBanks) throw Error(ErrorKind::kParse, "TPMS_ATTEST selects more than 16 PCR banks");
  std::vector<PcrSelection> selections;
  for (std::uint32_t i = 0; i < count; ++i) {
    PcrSelection selection{.hash = reader.u16(), .pcrs = {}};
    const std::size_t size = reader.u8();
    if (size > kMaximumSelect) throw Error(ErrorKind::kParse, "TPMS_ATTEST selects more than 32 PCRs");
    const Bytes bitmap = reader.take(size);
    for (std::size_t pcr = 0; pcr < size * 8; ++pcr) {
      if ((bitmap[pcr / 8] >> (pcr % 8) & 1) != 0) selection.pcrs.push_back(static_cast<std::uint8_t>(pcr));
    }
    selections.push_back(std::move(selection));
  }
  return selections;
}

const EVP_MD* digest_of(std::uint16_t algorithm) {
  switch (algorithm) {
    case 0x0004:
      return EVP_sha1();
    case 0x000B:
      return EVP_sha256();
    case 0x000C:
      return EVP_sha384();
    case 0x000D:
      return EVP_sha512();
    default:
      throw Error(ErrorKind::kParse, "TPM2B_PUBLIC has an unknown name algorithm");
  }
}

std::vector<std::uint8_t> name_of(std::uint16_t algorithm, Bytes public_area) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(public_area.data(), public_area.size(), digest.data(), &size, digest_of(algorithm), nullptr) != 1) {
    throw Error(ErrorKind::kInternal, "hashing failed");
  }
  std::vector<std::uint8_t> name{static_cast<std::uint8_t>(algorithm >> 8), static_cast<std::uint8_t>(algorithm)};
  name.insert(name.end(), digest.begin(), digest.begin() + size);
  return name;
}

}  // namespace

TpmsAttest parse_tpms_attest(Bytes bytes) {
  if (bytes.empty()) throw Error(ErrorKind::kEmpty, "TPMS_ATTEST is empty");
  BigEndianReader reader(bytes, "TPMS_ATTEST");
  TpmsAttest attest;
  attest.magic = reader.u32();
  attest.type = reader.u16();
  attest.qualified_signer = reader.sized(kMaximumName);
  attest.extra_data = reader.sized(kMaximumDigest);
  attest.clock = reader.u64();
  attest.reset_count = reader.u32();
  attest.restart_count = reader.u32();
  attest.safe = reader.u8() != 0;
  attest.firmware_version = reader.u64();
  if (attest.type == kTpmAttestQuote) {
    attest.pcr_selections = read_selections(reader);
    attest.pcr_digest = reader.sized(kMaximumDigest);
    reader.finish();
  } else if (attest.type == kTpmAttestCertify) {
    attest.name = reader.sized(kMaximumName);
    attest.qualified_name = reader.sized(kMaximumName);
    reader.finish();
  }
  return attest;
}

TpmPublic parse_tpm2b_public(Bytes bytes) {
  if (bytes.empty()) throw Error(ErrorKind::kEmpty, "TPM2B_PUBLIC is empty");
  BigEndianReader outer(bytes, "TPM2B_PUBLIC");
  const Bytes public_area = outer.sized(1024);
  outer.finish();

  BigEndianReader reader(public_area, "TPM2B_PUBLIC");
  TpmPublic result;
  if (reader.u16() != kAlgRsa) throw Error(ErrorKind::kParse, "TPM2B_PUBLIC holds no RSA key");
  result.name_alg = reader.u16();
  result.object_attributes = reader.u32();
  result.auth_policy = reader.sized(kMaximumDigest);
  result.symmetric = reader.u16();
  if (result.symmetric != kAlgNull) (void)reader.take(4);  // key bits and mode
  result.scheme = reader.u16();
  if (result.scheme != kAlgNull && result.scheme != kAlgRsaes) result.scheme_hash = reader.u16();
  result.key_bits = reader.u16();
  result.exponent = reader.u32();
  if (result.exponent == 0) result.exponent = 65537;
  result.modulus = reader.sized(512);
  reader.finish();
  if (result.modulus.size() * 8 != result.key_bits) {
    throw Error(ErrorKind::kParse, "TPM2B_PUBLIC: the modulus does not have keyBits");
  }
  result.name = name_of(result.name_alg, public_area);
  return result;
}

bool verify_rsassa_sha256(Bytes n, std::uint32_t e, Bytes message, Bytes signature) {
  if (n.size() < 128 || n.size() > 1024)
    throw Error(ErrorKind::kCrypto, "an RSA modulus of 1024 to 8192 bits is needed");
  const std::unique_ptr<BIGNUM, decltype(&BN_free)> modulus(BN_bin2bn(n.data(), static_cast<int>(n.size()), nullptr),
                                                            BN_free);
  const std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)> builder(OSSL_PARAM_BLD_new(),
                                                                                OSSL_PARAM_BLD_free);
  if (!modulus || !builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_ulong(builder.get(), OSSL_PKEY_PARAM_RSA_E, e) != 1) {
    throw Error(ErrorKind::kInternal, "out of memory");
  }
  const std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)> parameters(OSSL_PARAM_BLD_to_param(builder.get()),
                                                                           OSSL_PARAM_free);
  const auto free_context = [](EVP_PKEY_CTX* context) { EVP_PKEY_CTX_free(context); };
  std::unique_ptr<EVP_PKEY_CTX, decltype(free_context)> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* raw_key = nullptr;
  const bool made = parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1 &&
                    EVP_PKEY_fromdata(context.get(), &raw_key, EVP_PKEY_PUBLIC_KEY, parameters.get()) == 1;
  const auto free_key = [](EVP_PKEY* key) { EVP_PKEY_free(key); };
  const std::unique_ptr<EVP_PKEY, decltype(free_key)> key(raw_key);
  ERR_clear_error();
  if (!made) throw Error(ErrorKind::kCrypto, "the RSA public key cannot be used");

  std::array<std::uint8_t, 32> digest{};
  context.reset(EVP_PKEY_CTX_new(key.get(), nullptr));
  if (!context || EVP_Digest(message.data(), message.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1 ||
      EVP_PKEY_verify_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) != 1) {
    ERR_clear_error();
    throw Error(ErrorKind::kCrypto, "an RSA verification cannot be set up");
  }
  const bool valid =
      EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.data(), digest.size()) == 1;
  ERR_clear_error();
  return valid;
}

}  // namespace cga
