#include <memory>
#include <optional>

#include "binding/report.h"
#include "binding/report_values.h"
#include "core/report/endorsement_key.h"
#include "core/report/report_signature.h"
#include "core/report/revocation_list.h"

namespace cga::binding {

namespace {

// Proves that an object handed back by JavaScript is one of ours before it is unwrapped.
constexpr napi_type_tag kCertificateTag = {0x8f1a2c7d4be04d11, 0xa6d3f09b52c87e34};

class CertificateObject : public Napi::ObjectWrap<CertificateObject> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "NativeCertificate",
                       {InstanceMethod<&CertificateObject::info>("info"),
                        InstanceMethod<&CertificateObject::endorsement>("endorsement"),
                        InstanceMethod<&CertificateObject::issued_by>("issuedBy"),
                        InstanceMethod<&CertificateObject::names_issuer>("namesIssuer"),
                        InstanceMethod<&CertificateObject::verify_report>("verifyReport"),
                        InstanceMethod<&CertificateObject::check_revocation>("checkRevocation")});
  }

  explicit CertificateObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<CertificateObject>(info) {
    translate(info.Env(), [&] {
      certificate_.emplace(byte_argument(info[0]));
      if (napi_type_tag_object(info.Env(), info.This(), &kCertificateTag) != napi_ok) {
        throw Error(ErrorKind::kInternal, "an object cannot be tagged");
      }
    });
  }

 private:
  static const Certificate& certificate_argument(const Napi::Value& value) {
    bool ours = false;
    if (!value.IsObject() || napi_check_object_type_tag(value.Env(), value, &kCertificateTag, &ours) != napi_ok ||
        !ours) {
      throw Error(ErrorKind::kInvalidArgument, "a NativeCertificate is needed");
    }
    return *Unwrap(value.As<Napi::Object>())->certificate_;
  }

  static const char* key_type_name(KeyType type) {
    return type == KeyType::kRsa ? "rsa" : type == KeyType::kEcP384 ? "ec-p384" : "other";
  }

  Napi::Value info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return translate(env, [&]() -> Napi::Value {
      Napi::Object result = Napi::Object::New(env);
      result.Set("der", copy_bytes(env, certificate_->der()));
      result.Set("fingerprint", hex(certificate_->fingerprint()));
      result.Set("publicKeyDigest", hex(certificate_->public_key_digest()));
      result.Set("subject", certificate_->subject_common_name());
      result.Set("issuer", certificate_->issuer_common_name());
      result.Set("serial", certificate_->serial_hex());
      result.Set("notBefore", static_cast<double>(certificate_->not_before()));
      result.Set("notAfter", static_cast<double>(certificate_->not_after()));
      result.Set("keyType", key_type_name(certificate_->key_type()));
      result.Set("keyBits", certificate_->key_bits());
      result.Set("isCa", certificate_->is_ca());
      result.Set("pssSha384", certificate_->signed_with_pss_sha384());
      return result;
    });
  }

  Napi::Value endorsement(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return translate(env, [&]() -> Napi::Value {
      const EndorsementExtensions extensions = endorsement_extensions(*certificate_);
      Napi::Object tcb = Napi::Object::New(env);
      if (extensions.tcb.fmc) tcb.Set("fmc", *extensions.tcb.fmc);
      tcb.Set("bootloader", extensions.tcb.bootloader);
      tcb.Set("tee", extensions.tcb.tee);
      tcb.Set("snp", extensions.tcb.snp);
      tcb.Set("microcode", extensions.tcb.microcode);
      Napi::Object result = Napi::Object::New(env);
      result.Set("structVersion", static_cast<std::uint32_t>(extensions.struct_version));
      if (extensions.product_name) result.Set("productName", *extensions.product_name);
      result.Set("tcb", tcb);
      if (extensions.hwid) result.Set("hwid", copy_bytes(env, *extensions.hwid));
      if (extensions.csp_id) result.Set("cspId", *extensions.csp_id);
      return result;
    });
  }

  Napi::Value issued_by(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), certificate_->issued_by(certificate_argument(info[0])));
    });
  }

  Napi::Value names_issuer(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      return Napi::Boolean::New(info.Env(), certificate_->names_issuer(certificate_argument(info[0])));
    });
  }

  Napi::Value verify_report(const Napi::CallbackInfo& info) {
    return translate(info.Env(), [&]() -> Napi::Value {
      const ReportSignature signature = verify_report_signature(byte_argument(info[0]), *certificate_);
      return Napi::Number::New(
          info.Env(), (signature.valid ? 1 : 0) | (signature.canonical ? 2 : 0) | (signature.tail_zero ? 4 : 0));
    });
  }

  // this: the certificate that may be revoked; arguments: the list, and the certificate that must have signed it.
  Napi::Value check_revocation(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return translate(env, [&]() -> Napi::Value {
      const RevocationList list(byte_argument(info[0]));
      Napi::Object result = Napi::Object::New(env);
      result.Set("issuer", list.issuer_common_name());
      result.Set("thisUpdate", static_cast<double>(list.this_update()));
      result.Set("nextUpdate", static_cast<double>(list.next_update()));
      result.Set("entries", static_cast<double>(list.size()));
      result.Set("authentic", list.issued_by(certificate_argument(info[1])));
      result.Set("revoked", list.revokes(*certificate_));
      return result;
    });
  }

  std::optional<Certificate> certificate_;
};

// DER of each certificate of a DER or PEM input, so that one class with one constructor is enough.
Napi::Value split_certificates(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    Napi::Array result = Napi::Array::New(env);
    for (const Certificate& certificate : parse_certificates(byte_argument(info[0]))) {
      result[result.Length()] = copy_bytes(env, certificate.der());
    }
    return result;
  });
}

}  // namespace

void register_certificates(Napi::Env env, Napi::Object exports) {
  exports.Set("NativeCertificate", CertificateObject::define(env));
  exports.Set("splitCertificates", Napi::Function::New(env, split_certificates, "splitCertificates"));
}

}  // namespace cga::binding
