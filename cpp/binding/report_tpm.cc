#include "binding/report.h"
#include "binding/report_values.h"
#include "core/report/tpm_structures.h"

namespace cga::binding {

namespace {

Napi::Value parse_attest(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const TpmsAttest attest = parse_tpms_attest(byte_argument(info[0]));
    Napi::Object result = Napi::Object::New(env);
    result.Set("magic", attest.magic);
    result.Set("type", static_cast<std::uint32_t>(attest.type));
    result.Set("qualifiedSigner", copy_bytes(env, attest.qualified_signer));
    result.Set("extraData", copy_bytes(env, attest.extra_data));
    result.Set("clock", Napi::BigInt::New(env, attest.clock));
    result.Set("resetCount", attest.reset_count);
    result.Set("restartCount", attest.restart_count);
    result.Set("safe", attest.safe);
    result.Set("firmwareVersion", Napi::BigInt::New(env, attest.firmware_version));
    if (attest.type == kTpmAttestQuote) {
      Napi::Array selections = Napi::Array::New(env);
      for (const PcrSelection& selection : attest.pcr_selections) {
        Napi::Array pcrs = Napi::Array::New(env);
        for (const std::uint8_t pcr : selection.pcrs) pcrs[pcrs.Length()] = pcr;
        Napi::Object item = Napi::Object::New(env);
        item.Set("hash", static_cast<std::uint32_t>(selection.hash));
        item.Set("pcrs", pcrs);
        selections[selections.Length()] = item;
      }
      Napi::Object quote = Napi::Object::New(env);
      quote.Set("pcrSelections", selections);
      quote.Set("pcrDigest", copy_bytes(env, attest.pcr_digest));
      result.Set("quote", quote);
    } else if (attest.type == kTpmAttestCertify) {
      Napi::Object certify = Napi::Object::New(env);
      certify.Set("name", copy_bytes(env, attest.name));
      certify.Set("qualifiedName", copy_bytes(env, attest.qualified_name));
      result.Set("certify", certify);
    }
    return result;
  });
}

Napi::Value parse_public(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const TpmPublic key = parse_tpm2b_public(byte_argument(info[0]));
    Napi::Object result = Napi::Object::New(env);
    result.Set("nameAlg", static_cast<std::uint32_t>(key.name_alg));
    result.Set("objectAttributes", key.object_attributes);
    result.Set("authPolicy", copy_bytes(env, key.auth_policy));
    result.Set("symmetric", static_cast<std::uint32_t>(key.symmetric));
    result.Set("scheme", static_cast<std::uint32_t>(key.scheme));
    result.Set("schemeHash", static_cast<std::uint32_t>(key.scheme_hash));
    result.Set("keyBits", static_cast<std::uint32_t>(key.key_bits));
    result.Set("exponent", key.exponent);
    result.Set("modulus", copy_bytes(env, key.modulus));
    result.Set("name", copy_bytes(env, key.name));
    return result;
  });
}

Napi::Value verify_rsassa(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    if (!info[1].IsNumber()) throw Error(ErrorKind::kInvalidArgument, "an exponent is needed");
    return Napi::Boolean::New(info.Env(),
                              verify_rsassa_sha256(byte_argument(info[0]), info[1].As<Napi::Number>().Uint32Value(),
                                                   byte_argument(info[2]), byte_argument(info[3])));
  });
}

}  // namespace

void register_tpm_structures(Napi::Env env, Napi::Object exports) {
  exports.Set("parseTpmsAttest", Napi::Function::New(env, parse_attest, "parseTpmsAttest"));
  exports.Set("parseTpm2bPublic", Napi::Function::New(env, parse_public, "parseTpm2bPublic"));
  exports.Set("verifyRsassaSha256", Napi::Function::New(env, verify_rsassa, "verifyRsassaSha256"));
}

}  // namespace cga::binding
