// The JavaScript class of one TPM client.
#pragma once

#include <napi.h>

#include <memory>
#include <unordered_map>
#include <vector>

#include "binding/tpm_environment.h"
#include "core/tpm/worker.h"

namespace cga::binding {

/// See NativeTpmClient in binding.d.ts.
class TpmClient : public Napi::ObjectWrap<TpmClient> {
 public:
  static Napi::Function define(Napi::Env env, const std::shared_ptr<TpmEnvironment>& environment);

  explicit TpmClient(const Napi::CallbackInfo& info);
  ~TpmClient() override;
  TpmClient(const TpmClient&) = delete;
  TpmClient& operator=(const TpmClient&) = delete;

  // Called by TpmEnvironment, on the environment's thread.
  void on_done(Napi::Env env, tpm::Worker::JobId job, tpm::Outcome outcome);
  void on_closed(Napi::Env env);

 private:
  Napi::Value submit(const Napi::CallbackInfo& info, tpm::Worker::Work work);

  Napi::Value read_pcrs(const Napi::CallbackInfo& info);
  Napi::Value read_public(const Napi::CallbackInfo& info);
  Napi::Value nv_read(const Napi::CallbackInfo& info);
  Napi::Value nv_read_if_defined(const Napi::CallbackInfo& info);
  Napi::Value nv_read_public(const Napi::CallbackInfo& info);
  Napi::Value nv_write(const Napi::CallbackInfo& info);
  Napi::Value nv_write_then_read(const Napi::CallbackInfo& info);
  Napi::Value nv_replace(const Napi::CallbackInfo& info);
  Napi::Value quote(const Napi::CallbackInfo& info);
  Napi::Value certify_ephemeral_key(const Napi::CallbackInfo& info);
  Napi::Value prepare_decrypt(const Napi::CallbackInfo& info);
  Napi::Value rsa_decrypt(const Napi::CallbackInfo& info);
  Napi::Value unwrap_key(const Napi::CallbackInfo& info);
  Napi::Value confirm_key(const Napi::CallbackInfo& info);
  Napi::Value capabilities(const Napi::CallbackInfo& info);
  Napi::Value handles(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  std::shared_ptr<TpmEnvironment> environment_;
  std::shared_ptr<tpm::Worker> worker_;
  tpm::SaltKey salt_key_;
  TpmEnvironment::ClientId id_ = 0;
  std::unordered_map<tpm::Worker::JobId, Napi::Promise::Deferred> pending_;
  std::vector<Napi::Promise::Deferred> closing_;
  bool closed_ = false;
};

}  // namespace cga::binding
