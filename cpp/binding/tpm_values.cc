#include "binding/tpm_values.h"

#include <utility>

#include "binding/secret_buffer.h"

namespace cga::binding {
namespace {

Napi::Value buffer(Napi::Env env, const Bytes& bytes) {
  return Napi::Buffer<std::uint8_t>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value handles(Napi::Env env, const std::vector<TPM2_HANDLE>& list) {
  Napi::Array array = Napi::Array::New(env, list.size());
  for (std::uint32_t i = 0; i < list.size(); ++i) array.Set(i, Napi::Number::New(env, list[i]));
  return array;
}

struct ToJs {
  Napi::Env env;

  Napi::Value operator()(std::monostate /*nothing*/) const { return env.Undefined(); }
  Napi::Value operator()(crypto::SecretBytes&& bytes) const { return SecretBuffer::make(env, std::move(bytes)); }
  Napi::Value operator()(bool value) const { return Napi::Boolean::New(env, value); }
  Napi::Value operator()(const Bytes& bytes) const { return buffer(env, bytes); }
  Napi::Value operator()(const std::optional<Bytes>& bytes) const {
    return bytes ? buffer(env, *bytes) : env.Undefined();
  }
  Napi::Value operator()(const std::vector<TPM2_HANDLE>& list) const { return handles(env, list); }

  Napi::Value operator()(const std::vector<tpm::PcrValue>& values) const {
    Napi::Array array = Napi::Array::New(env, values.size());
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      Napi::Object value = Napi::Object::New(env);
      value.Set("index", values[i].index);
      value.Set("digest", buffer(env, values[i].digest));
      array.Set(i, value);
    }
    return array;
  }

  Napi::Value operator()(const tpm::PublicArea& area) const {
    Napi::Object object = Napi::Object::New(env);
    object.Set("publicArea", buffer(env, tpm::marshal(area.area)));
    object.Set("name", buffer(env, area.name));
    return object;
  }

  Napi::Value operator()(const std::optional<tpm::NvPublic>& area) const {
    if (!area) return env.Undefined();
    Napi::Object object = Napi::Object::New(env);
    object.Set("size", static_cast<std::uint32_t>(area->size));
    object.Set("attributes", area->attributes);
    return object;
  }

  Napi::Value operator()(const tpm::Attestation& attestation) const {
    Napi::Object object = Napi::Object::New(env);
    object.Set("message", buffer(env, attestation.message));
    object.Set("signature", buffer(env, attestation.signature));
    return object;
  }

  Napi::Value operator()(const tpm::CertifiedKey& key) const {
    Napi::Object object = Napi::Object::New(env);
    object.Set("publicArea", buffer(env, key.public_area));
    object.Set("certifyInfo", buffer(env, key.certification.message));
    object.Set("certifySignature", buffer(env, key.certification.signature));
    return object;
  }

  Napi::Value operator()(const tpm::DeviceReport& report) const {
    const tpm::Capabilities& capabilities = report.capabilities;
    Napi::Object object = Napi::Object::New(env);
    object.Set("manufacturer", capabilities.manufacturer);
    object.Set("firmwareVersion", Napi::BigInt::New(env, capabilities.firmware_version));
    object.Set("pcrCount", capabilities.pcr_count);
    object.Set("nvBufferMaximum", static_cast<std::uint32_t>(capabilities.nv_buffer_maximum));
    Napi::Array banks = Napi::Array::New(env, capabilities.pcr_banks.size());
    for (std::uint32_t i = 0; i < capabilities.pcr_banks.size(); ++i) {
      Napi::Object bank = Napi::Object::New(env);
      bank.Set("algorithm", static_cast<std::uint32_t>(capabilities.pcr_banks[i].bank));
      bank.Set("mask", capabilities.pcr_banks[i].mask);
      banks.Set(i, bank);
    }
    object.Set("pcrBanks", banks);
    object.Set("transientHandles", handles(env, report.transient));
    object.Set("loadedSessions", handles(env, report.loaded_sessions));
    object.Set("resourceManager", report.resource_manager);
    return object;
  }
};

}  // namespace

Napi::Value to_js(Napi::Env env, tpm::Result result) {
  return std::visit(ToJs{env}, std::move(result));
}

}  // namespace cga::binding
