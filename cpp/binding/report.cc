#include "binding/report.h"

#include <array>

#include "binding/module.h"
#include "binding/report_values.h"
#include "core/report/certificate_table.h"
#include "core/report/hcl_report.h"
#include "core/report/snp_report.h"

namespace cga::binding {

namespace {

constexpr std::uint32_t kNone = 0xFFFFFFFF;
// Indices of the words that parseSnpReport fills in; lib/verify/snp-report.ts reads them by the same names.
constexpr std::size_t kUnknownWord = 44;
constexpr std::size_t kMaximumUnknown = 12;
constexpr std::size_t kWords = kUnknownWord + 1 + kMaximumUnknown;

class WordWriter {
 public:
  explicit WordWriter(std::span<std::uint32_t, kWords> words) : words_(words) {}
  void add(std::uint32_t word) { words_[next_++] = word; }
  void add64(std::uint64_t value) {
    add(static_cast<std::uint32_t>(value));
    add(static_cast<std::uint32_t>(value >> 32));
  }
  void add(const Tcb& tcb) {
    add(tcb.fmc ? *tcb.fmc : kNone);
    add(tcb.bootloader);
    add(tcb.tee);
    add(tcb.snp);
    add(tcb.microcode);
  }
  void add(const std::optional<SnpReport::FirmwareVersion>& version) {
    const auto value = version.value_or(SnpReport::FirmwareVersion{});
    add(value.build);
    add(value.minor);
    add(value.major);
  }

 private:
  std::span<std::uint32_t, kWords> words_;
  std::size_t next_ = 0;
};

std::optional<TcbLayout> layout_argument(const Napi::Value& value) {
  if (value.IsUndefined()) return std::nullopt;
  return value.ToNumber().Uint32Value() == 1 ? TcbLayout::kTurin : TcbLayout::kMilan;
}

// One call that fills a reused array: building an object of fifty properties through Node-API takes longer than
// parsing.
void parse_snp_report_words(const Napi::CallbackInfo& info) {
  translate(info.Env(), [&] {
    const SnpReport report = parse_snp_report(byte_argument(info[0]), layout_argument(info[2]));
    if (!info[1].IsTypedArray()) throw Error(ErrorKind::kInvalidArgument, "an Uint32Array is needed");
    auto array = info[1].As<Napi::Uint32Array>();
    if (array.TypedArrayType() != napi_uint32_array || array.ElementLength() != kWords) {
      throw Error(ErrorKind::kInvalidArgument, "an Uint32Array of " + std::to_string(kWords) + " words is needed");
    }
    WordWriter words{std::span<std::uint32_t, kWords>{array.Data(), kWords}};
    words.add(report.version);
    words.add(report.guest_svn);
    words.add64(report.policy);
    words.add(report.vmpl);
    words.add(report.signature_algo);
    words.add64(report.platform_info);
    words.add(report.key_info);
    words.add(static_cast<std::uint32_t>(report.product));
    words.add(static_cast<std::uint32_t>(report.tcb_layout));
    const auto cpuid = report.cpuid.value_or(SnpReport::Cpuid{});
    words.add(cpuid.family);
    words.add(cpuid.model);
    words.add(cpuid.stepping);
    words.add(report.current_tcb);
    words.add(report.reported_tcb);
    words.add(report.committed_tcb);
    words.add(report.launch_tcb.value_or(Tcb{}));
    words.add(report.current);
    words.add(report.committed);
    words.add64(report.launch_mit_vector);
    words.add64(report.current_mit_vector);  // the last before kUnknownWord
    const std::size_t count = std::min(report.unknown.size(), kMaximumUnknown);
    words.add(static_cast<std::uint32_t>(count));
    for (std::size_t i = 0; i < count; ++i) {
      words.add(static_cast<std::uint32_t>(report.unknown[i].offset) << 16 | report.unknown[i].size);
    }
  });
}

Napi::Value parse_tcb(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&]() -> Napi::Value {
    const Tcb tcb = decode_tcb(byte_argument(info[0]), layout_argument(info[1]).value_or(TcbLayout::kMilan));
    Napi::Array result = Napi::Array::New(info.Env(), 5);
    result[0u] = tcb.fmc ? *tcb.fmc : kNone;
    result[1u] = tcb.bootloader;
    result[2u] = tcb.tee;
    result[3u] = tcb.snp;
    result[4u] = tcb.microcode;
    return result;
  });
}

Napi::Value range(Napi::Env env, Bytes whole, Bytes part) {
  Napi::Array result = Napi::Array::New(env, 2);
  result[0u] = static_cast<double>(part.data() - whole.data());
  result[1u] = static_cast<double>(part.data() - whole.data() + static_cast<std::ptrdiff_t>(part.size()));
  return result;
}

Napi::Value parse_hcl(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const Bytes bytes = byte_argument(info[0]);
    const HclReport report = parse_hcl_report(bytes);
    Napi::Object result = Napi::Object::New(env);
    result.Set("headerVersion", report.header_version);
    result.Set("reportSize", report.report_size);
    result.Set("requestType", report.request_type);
    result.Set("status", report.status);
    result.Set("reportType", static_cast<std::uint32_t>(report.report_type));
    result.Set("hashType", static_cast<std::uint32_t>(report.hash_type));
    result.Set("hardwareReport", range(env, bytes, report.hardware_report));
    if (report.report_data) result.Set("reportData", range(env, bytes, *report.report_data));
    if (report.capabilities) result.Set("capabilities", *report.capabilities);
    result.Set("variableData", range(env, bytes, report.variable_data));
    result.Set("headerReservedZero", all_zero(report.header_reserved));
    result.Set("paddingZero", all_zero(report.padding) && report.unused_area_zero);
    result.Set("bound", report.bound);
    return result;
  });
}

Napi::Value parse_table(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return translate(env, [&]() -> Napi::Value {
    const Bytes bytes = byte_argument(info[0]);
    Napi::Array result = Napi::Array::New(env);
    for (const CertificateTableEntry& entry : parse_certificate_table(bytes)) {
      Napi::Object item = Napi::Object::New(env);
      item.Set("guid", entry.guid);
      item.Set("range", range(env, bytes, entry.data));
      result[result.Length()] = item;
    }
    return result;
  });
}

}  // namespace

void register_report(Napi::Env env, Napi::Object exports) {
  exports.Set("parseSnpReport", Napi::Function::New(env, parse_snp_report_words, "parseSnpReport"));
  exports.Set("parseTcb", Napi::Function::New(env, parse_tcb, "parseTcb"));
  exports.Set("parseHclReport", Napi::Function::New(env, parse_hcl, "parseHclReport"));
  exports.Set("parseCertificateTable", Napi::Function::New(env, parse_table, "parseCertificateTable"));
  register_certificates(env, exports);
  register_tpm_structures(env, exports);
}

}  // namespace cga::binding
