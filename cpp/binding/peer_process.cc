// peerProcess of binding.d.ts: the simulator's TPM tells its clients apart by it.
#include <napi.h>
#include <sys/socket.h>

#include "binding/module.h"

namespace cga::binding {

namespace {

/// Process that connected a Unix socket; undefined for a descriptor that is not one.
Napi::Value peer_process(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) return info.Env().Undefined();
  ucred peer{};
  socklen_t size = sizeof peer;
  const int descriptor = info[0].As<Napi::Number>().Int32Value();
  if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), peer.pid);
}

}  // namespace

void register_peer_process(Napi::Env env, Napi::Object exports) {
  exports.Set("peerProcess", Napi::Function::New<peer_process>(env, "peerProcess"));
}

}  // namespace cga::binding
