// The JavaScript class of one TPM client.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/deliveries.h"
#include "core/tpm/commands.h"
#include "core/tpm/worker.h"

namespace cga::binding {

/// See NativeTpmClient in binding.d.ts.
class TpmClient : public Napi::ObjectWrap<TpmClient> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit TpmClient(const Napi::CallbackInfo& info);
  ~TpmClient() override;
  TpmClient(const TpmClient&) = delete;
  TpmClient& operator=(const TpmClient&) = delete;

 private:
  /// A row of core/tpm/commands.h as a method.
  template <auto Function>
  Napi::Value run(const Napi::CallbackInfo& info);
  template <auto Function>
  [[nodiscard]] static PropertyDescriptor method(tpm::Command<Function> command);

  Napi::Value submit(const Napi::CallbackInfo& info, tpm::Worker::Work work);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<Deliveries> deliveries_;
  std::shared_ptr<tpm::Worker> worker_;
  tpm::SaltKey salt_key_;
  Deliveries::Number owner_ = 0;
  Napi::Reference<Napi::Promise> closing_;
};

}  // namespace cga::binding
