#include "binding/tpm_client.h"

#include "binding/errors.h"
#include "binding/tpm_values.h"
#include "core/tpm/nv.h"

namespace cga::binding {
namespace {

using tpm::Device;
using tpm::Result;

// Every method's first argument is the number that the caller gives to the job.
constexpr std::size_t kFirst = 1;
/// How content keys are wrapped: RSA-OAEP-256 of RFC 7518.
constexpr tpm::RsaScheme kWrapping{TPM2_ALG_OAEP, TPM2_ALG_SHA256};

tpm::PcrSelection selection_argument(const Napi::CallbackInfo& info, std::size_t index) {
  return {static_cast<TPM2_ALG_ID>(uint32_argument(info, index, "bank")), uint32_argument(info, index + 1, "mask")};
}

}  // namespace

Napi::Function TpmClient::define(Napi::Env env, const std::shared_ptr<TpmEnvironment>& environment) {
  // The class keeps the environment alive for as long as an instance can be made.
  auto* data = new std::shared_ptr<TpmEnvironment>(environment);
  const Napi::Function constructor =
      DefineClass(env, "TpmClient",
                  {
                      InstanceMethod<&TpmClient::read_pcrs>("readPcrs"),
                      InstanceMethod<&TpmClient::read_public>("readPublic"),
                      InstanceMethod<&TpmClient::nv_read>("nvRead"),
                      InstanceMethod<&TpmClient::nv_read_if_defined>("nvReadIfDefined"),
                      InstanceMethod<&TpmClient::nv_read_public>("nvReadPublic"),
                      InstanceMethod<&TpmClient::nv_write>("nvWrite"),
                      InstanceMethod<&TpmClient::nv_write_then_read>("nvWriteThenRead"),
                      InstanceMethod<&TpmClient::nv_replace>("nvReplace"),
                      InstanceMethod<&TpmClient::quote>("quote"),
                      InstanceMethod<&TpmClient::certify_ephemeral_key>("certifyEphemeralKey"),
                      InstanceMethod<&TpmClient::prepare_decrypt>("prepareDecrypt"),
                      InstanceMethod<&TpmClient::rsa_decrypt>("rsaDecrypt"),
                      InstanceMethod<&TpmClient::unwrap_key>("unwrapKey"),
                      InstanceMethod<&TpmClient::confirm_key>("confirmKey"),
                      InstanceMethod<&TpmClient::capabilities>("capabilities"),
                      InstanceMethod<&TpmClient::handles>("handles"),
                      InstanceMethod<&TpmClient::cancel>("cancel"),
                      InstanceMethod<&TpmClient::close>("close"),
                  },
                  data);
  constructor.AddFinalizer([](Napi::Env, std::shared_ptr<TpmEnvironment>* kept) { delete kept; }, data);
  return constructor;
}

TpmClient::TpmClient(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<TpmClient>(info), environment_(*static_cast<std::shared_ptr<TpmEnvironment>*>(info.Data())) {
  translate(info.Env(), [&] {
    if (!info[0].IsString()) throw Error(ErrorKind::kInvalidArgument, "tcti is not a string");
    tpm::Worker::Options options;
    options.tcti = info[0].As<Napi::String>().Utf8Value();
    options.command_timeout = std::chrono::milliseconds(uint32_argument(info, 1, "commandTimeoutMs"));
    if (!info[2].IsUndefined()) {
      salt_key_.handle = uint32_argument(info, 2, "saltKeyHandle");
      if (salt_key_.handle == 0) throw Error(ErrorKind::kInvalidArgument, "saltKeyHandle is not a handle");
      salt_key_.name = copied_bytes_argument(info, 3, "saltKeyName");
    }
    id_ = environment_->next_id();
    tpm::Worker::Listener listener;
    listener.done = [environment = environment_, id = id_](tpm::Worker::JobId job, tpm::Outcome outcome) {
      environment->deliver(id, job, std::move(outcome));
    };
    listener.closed = [environment = environment_, id = id_] { environment->deliver(id, TpmEnvironment::kClosed, {}); };
    worker_ = tpm::Worker::start(std::move(options), std::move(listener));
    environment_->add(id_, *this, worker_);
  });
}

TpmClient::~TpmClient() {
  environment_->remove(id_);
  if (worker_) worker_->close();
}

Napi::Value TpmClient::submit(const Napi::CallbackInfo& info, tpm::Worker::Work work) {
  const Napi::Env env = info.Env();
  const tpm::Worker::JobId job = uint32_argument(info, 0, "job");
  if (job == TpmEnvironment::kClosed || pending_.contains(job)) {
    throw Error(ErrorKind::kInvalidArgument, "a job's number is used once and is not 0");
  }
  worker_->submit(job, std::move(work));
  const auto deferred = pending_.emplace(job, Napi::Promise::Deferred::New(env)).first->second;
  if (pending_.size() == 1) Ref();  // not collected while a call is under way
  environment_->hold(env);
  return deferred.Promise();
}

void TpmClient::on_done(Napi::Env env, tpm::Worker::JobId job, tpm::Outcome outcome) {
  const auto entry = pending_.find(job);
  if (entry == pending_.end()) return;
  const Napi::Promise::Deferred deferred = entry->second;
  pending_.erase(entry);
  environment_->release(env);
  if (pending_.empty()) Unref();
  if (!outcome.error) {
    try {
      deferred.Resolve(to_js(env, outcome.result));
      return;
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      outcome.error = std::current_exception();
    }
  }
  deferred.Reject(make_error(env, outcome.error).Value());
}

void TpmClient::on_closed(Napi::Env env) {
  closed_ = true;
  if (!closing_.empty()) {
    environment_->release(env);
    Unref();
  }
  for (const Napi::Promise::Deferred& deferred : closing_) deferred.Resolve(env.Undefined());
  closing_.clear();
}

Napi::Value TpmClient::read_pcrs(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const tpm::PcrSelection selection = selection_argument(info, kFirst);
    return submit(info,
                  [selection](Device& device) -> Result { return tpm::read_pcrs(device.connection(), selection); });
  });
}

Napi::Value TpmClient::read_public(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE handle = uint32_argument(info, kFirst, "handle");
    return submit(info, [handle](Device& device) -> Result { return tpm::read_public(device.connection(), handle); });
  });
}

Napi::Value TpmClient::nv_read(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE index = uint32_argument(info, kFirst, "index");
    return submit(info, [index](Device& device) -> Result { return device.non_volatile().read(index); });
  });
}

Napi::Value TpmClient::nv_read_if_defined(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE index = uint32_argument(info, kFirst, "index");
    return submit(info, [index](Device& device) -> Result { return device.non_volatile().read_if_defined(index); });
  });
}

Napi::Value TpmClient::nv_read_public(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE index = uint32_argument(info, kFirst, "index");
    return submit(info, [index](Device& device) -> Result { return device.non_volatile().read_public(index); });
  });
}

Napi::Value TpmClient::nv_write(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE index = uint32_argument(info, kFirst, "index");
    return submit(info, [index, data = copied_bytes_argument(info, kFirst + 1, "data")](Device& device) -> Result {
      device.non_volatile().write(index, data);
      return std::monostate{};
    });
  });
}

Napi::Value TpmClient::nv_write_then_read(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE write_index = uint32_argument(info, kFirst, "writeIndex");
    const TPM2_HANDLE read_index = uint32_argument(info, kFirst + 2, "readIndex");
    return submit(
        info,
        [write_index, read_index, data = copied_bytes_argument(info, kFirst + 1, "data")](Device& device) -> Result {
          tpm::NonVolatile nv = device.non_volatile();
          nv.write(write_index, data);
          return nv.read(read_index);
        });
  });
}

Napi::Value TpmClient::nv_replace(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE index = uint32_argument(info, kFirst, "index");
    auto backup = std::make_shared<tpm::NvBackup>();
    return submit(info,
                  [index, backup, data = copied_bytes_argument(info, kFirst + 1, "data")](Device& device) -> Result {
                    device.non_volatile().replace(index, data, *backup);
                    return std::monostate{};
                  });
  });
}

Napi::Value TpmClient::quote(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE key = uint32_argument(info, kFirst, "keyHandle");
    const tpm::PcrSelection selection = selection_argument(info, kFirst + 2);
    return submit(
        info,
        [key, selection, qualifying_data = copied_bytes_argument(info, kFirst + 1, "qualifyingData")](
            Device& device) -> Result { return tpm::quote(device.connection(), key, qualifying_data, selection); });
  });
}

Napi::Value TpmClient::certify_ephemeral_key(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE key = uint32_argument(info, kFirst, "keyHandle");
    const tpm::PcrSelection selection{TPM2_ALG_SHA256, uint32_argument(info, kFirst + 1, "mask")};
    return submit(info, [key, selection, salt_key = salt_key_](Device& device) -> Result {
      return device.ephemeral_key(selection, salt_key).certify(device.connection(), key);
    });
  });
}

Napi::Value TpmClient::prepare_decrypt(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const tpm::PcrSelection selection{TPM2_ALG_SHA256, uint32_argument(info, kFirst, "mask")};
    return submit(info, [selection, salt_key = salt_key_](Device& device) -> Result {
      device.ephemeral_key(selection, salt_key).prepare_decrypt(device.connection());
      return std::monostate{};
    });
  });
}

Napi::Value TpmClient::rsa_decrypt(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const tpm::PcrSelection selection{TPM2_ALG_SHA256, uint32_argument(info, kFirst + 1, "mask")};
    const tpm::RsaScheme scheme{static_cast<TPM2_ALG_ID>(uint32_argument(info, kFirst + 2, "scheme")),
                                static_cast<TPM2_ALG_ID>(uint32_argument(info, kFirst + 3, "hash"))};
    return submit(info,
                  [selection, scheme, salt_key = salt_key_,
                   ciphertext = copied_bytes_argument(info, kFirst, "ciphertext")](Device& device) -> Result {
                    return device.ephemeral_key(selection, salt_key).decrypt(device.connection(), ciphertext, scheme);
                  });
  });
}

Napi::Value TpmClient::unwrap_key(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const tpm::PcrSelection selection{TPM2_ALG_SHA256, uint32_argument(info, kFirst + 1, "mask")};
    return submit(info,
                  [selection, salt_key = salt_key_,
                   wrapped = copied_bytes_argument(info, kFirst, "wrapped")](Device& device) -> Result {
                    auto key =
                        device.ephemeral_key(selection, salt_key).unwrap(device.connection(), wrapped, kWrapping);
                    if (!key) return std::monostate{};
                    return *std::move(key);
                  });
  });
}

Napi::Value TpmClient::confirm_key(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const tpm::PcrSelection selection{TPM2_ALG_SHA256, uint32_argument(info, kFirst, "mask")};
    return submit(info, [selection, salt_key = salt_key_](Device& device) -> Result {
      return device.ephemeral_key(selection, salt_key).confirm(device.connection());
    });
  });
}

Napi::Value TpmClient::capabilities(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    return submit(info, [](Device& device) -> Result {
      tpm::Connection& connection = device.connection();
      return tpm::DeviceReport{tpm::read_capabilities(connection), tpm::read_handles(connection, TPM2_TRANSIENT_FIRST),
                               tpm::read_handles(connection, TPM2_LOADED_SESSION_FIRST), device.has_resource_manager()};
    });
  });
}

Napi::Value TpmClient::handles(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const TPM2_HANDLE first = uint32_argument(info, kFirst, "first");
    return submit(info, [first](Device& device) -> Result { return tpm::read_handles(device.connection(), first); });
  });
}

Napi::Value TpmClient::cancel(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const Napi::Env env = info.Env();
    const tpm::Worker::JobId job = uint32_argument(info, 0, "job");
    const bool cancelled = worker_->cancel(job);
    if (cancelled) {
      on_done(env, job,
              {{}, std::make_exception_ptr(Error(ErrorKind::kAborted, "the call was taken out of the queue"))});
    }
    return Napi::Boolean::New(env, cancelled);
  });
}

Napi::Value TpmClient::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (closed_) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  if (closing_.empty()) {
    Ref();
    environment_->hold(env);
  }
  closing_.push_back(deferred);
  worker_->close();
  return deferred.Promise();
}

}  // namespace cga::binding
