#include "binding/session.h"

#include <utility>

#include "binding/accessor.h"
#include "binding/arguments.h"
#include "binding/bulk_work.h"
#include "binding/content_key.h"
#include "binding/errors.h"
#include "binding/messages.h"
#include "core/crypto/worker_pool.h"

namespace cga::binding {
namespace {

constexpr auto kOverhead = static_cast<std::ptrdiff_t>(crypto::kSessionOverhead);

struct OneMessage {
  std::span<const std::uint8_t> input;
  std::uint8_t* output;
  std::size_t output_size;
};

/// `output` must hold the result; it may be longer.
OneMessage one_message(const Napi::CallbackInfo& info, std::ptrdiff_t growth) {
  const auto input = bytes_argument(info, 0, "message");
  const auto output = bytes_argument(info, 1, "output");
  const auto size = static_cast<std::ptrdiff_t>(input.size()) + growth;
  if (size < 0) throw Error(ErrorKind::kCrypto, "the message is shorter than its number and tag");
  if (output.size() < static_cast<std::size_t>(size)) refuse_argument("output", "is too short");
  if (!input.empty() && input.data() < output.data() + output.size() && output.data() < input.data() + input.size()) {
    refuse_argument("output", "overlaps the message");
  }
  crypto::check_gcm_length(input.size());
  return {input, output.data(), static_cast<std::size_t>(size)};
}

[[noreturn]] void refuse_message() {
  throw Error(ErrorKind::kCrypto, "the message is not genuine or not at its place");
}

Error destroyed() {
  return {ErrorKind::kAborted, "the session is closed"};
}

}  // namespace

Napi::Function SessionSealerObject::define(Napi::Env env) {
  return DefineClass(env, "SessionSealer",
                     {
                         accessor<SessionSealerObject, &SessionSealerObject::sent>("sent"),
                         InstanceMethod<&SessionSealerObject::seal>("seal"),
                         InstanceMethod<&SessionSealerObject::seal_async>("sealAsync"),
                         InstanceMethod<&SessionSealerObject::seal_many>("sealMany"),
                         InstanceMethod<&SessionSealerObject::seal_packed>("sealPacked"),
                         InstanceMethod<&SessionSealerObject::destroy>("destroy"),
                     });
}

SessionSealerObject::SessionSealerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionSealerObject>(info) {
  translate(info.Env(), [&] {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    session_ = std::make_shared<crypto::SessionSealer>(
        ContentKey::from(info[0]).key().bytes(), bytes_argument(info, 1, "info"), count_argument(info, 2, "limit"));
  });
}

crypto::SessionSealer& SessionSealerObject::session() const {
  if (session_ == nullptr) throw destroyed();
  return *session_;
}

Napi::Value SessionSealerObject::sent(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(session().sent())); });
}

Napi::Value SessionSealerObject::seal(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    crypto::SessionSealer& session = this->session();
    const OneMessage message = one_message(info, kOverhead);
    const bool last = info.Length() > 2 && info[2].ToBoolean();
    const std::uint64_t counter = session.reserve(1);
    if (last) session.end();
    session.seal(last ? crypto::MessageKind::kLast : crypto::MessageKind::kMessage, counter, message.input,
                 message.output);
    return Napi::Number::New(info.Env(), static_cast<double>(message.output_size));
  });
}

Napi::Value SessionSealerObject::seal_async(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const OneMessage message = one_message(info, kOverhead);
    const std::size_t threads = threads_argument(info, 2, crypto::available_cores());
    const std::uint64_t counter = session().reserve(1);
    return run_bulk(info.Env(), {info[0], info[1]}, [session = session_, message, counter, threads] {
      crypto::seal_session_message(session->key(), crypto::MessageKind::kMessage, counter, message.input,
                                   message.output, threads);
    });
  });
}

Napi::Value SessionSealerObject::seal_many(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const Messages messages = array_argument(info, kOverhead);
    const std::uint64_t first = session().reserve(messages.input.size());
    crypto::seal_session_messages(session().key(), first, messages.input, messages.output, crypto::available_cores());
    return info.Env().Undefined();
  });
}

Napi::Value SessionSealerObject::seal_packed(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    Messages messages = packed_argument(info, kOverhead);
    const std::size_t threads = threads_argument(info, 3, crypto::available_cores());
    const std::uint64_t first = session().reserve(messages.input.size());
    return run_bulk(info.Env(), {info[0], info[2]},
                    [session = session_, messages = std::move(messages), first, threads] {
                      crypto::seal_session_messages(session->key(), first, messages.input, messages.output, threads);
                    });
  });
}

Napi::Value SessionSealerObject::destroy(const Napi::CallbackInfo& info) {
  session_.reset();
  return info.Env().Undefined();
}

Napi::Function SessionOpenerObject::define(Napi::Env env) {
  return DefineClass(env, "SessionOpener",
                     {
                         accessor<SessionOpenerObject, &SessionOpenerObject::finished>("finished"),
                         InstanceMethod<&SessionOpenerObject::open>("open"),
                         InstanceMethod<&SessionOpenerObject::open_async>("openAsync"),
                         InstanceMethod<&SessionOpenerObject::open_many>("openMany"),
                         InstanceMethod<&SessionOpenerObject::open_packed>("openPacked"),
                         InstanceMethod<&SessionOpenerObject::destroy>("destroy"),
                     });
}

SessionOpenerObject::SessionOpenerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionOpenerObject>(info) {
  translate(info.Env(), [&] {
    info.This().As<Napi::Object>().TypeTag(&kTag);
    session_ = std::make_shared<crypto::SessionOpener>(ContentKey::from(info[0]).key().bytes(),
                                                       bytes_argument(info, 1, "info"), info[2].ToBoolean(),
                                                       count_argument(info, 3, "replayWindow"));
  });
}

crypto::SessionOpener& SessionOpenerObject::session() const {
  if (session_ == nullptr) throw destroyed();
  return *session_;
}

Napi::Value SessionOpenerObject::finished(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] { return Napi::Boolean::New(info.Env(), session().finished()); });
}

Napi::Value SessionOpenerObject::open(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    crypto::SessionOpener& session = this->session();
    const OneMessage message = one_message(info, -kOverhead);
    if (!session.open(message.input, message.output)) refuse_message();
    return Napi::Number::New(info.Env(), static_cast<double>(message.output_size));
  });
}

Napi::Value SessionOpenerObject::open_async(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const OneMessage message = one_message(info, -kOverhead);
    const std::size_t threads = threads_argument(info, 2, crypto::available_cores());
    if (!session().expects({&message.input, 1})) {
      session().fail();
      refuse_message();
    }
    auto genuine = std::make_shared<bool>(false);
    return run_bulk(
        info.Env(), {info[0], info[1]},
        [session = session_, message, threads, genuine] {
          *genuine = crypto::open_session_message(session->key(), message.input, message.output, threads);
        },
        [session = session_, message, genuine] {
          if (*genuine && session->accept({&message.input, 1})) return;
          crypto::secure_zero({message.output, message.output_size});
          session->fail();
          refuse_message();
        });
  });
}

Napi::Value SessionOpenerObject::open_many(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    const Messages messages = array_argument(info, -kOverhead);
    crypto::SessionOpener& session = this->session();
    if (!session.expects(messages.input) ||
        !crypto::open_session_messages(session.key(), messages.input, messages.output, crypto::available_cores()) ||
        !session.accept(messages.input)) {
      session.fail();
      refuse_message();
    }
    return info.Env().Undefined();
  });
}

Napi::Value SessionOpenerObject::open_packed(const Napi::CallbackInfo& info) {
  return translate(info.Env(), [&] {
    auto messages = std::make_shared<const Messages>(packed_argument(info, -kOverhead));
    const auto output = bytes_argument(info, 2, "output");
    const std::size_t threads = threads_argument(info, 3, crypto::available_cores());
    if (!session().expects(messages->input)) {
      session().fail();
      refuse_message();
    }
    auto genuine = std::make_shared<bool>(false);
    return run_bulk(
        info.Env(), {info[0], info[2]},
        [session = session_, messages, threads, genuine] {
          *genuine = crypto::open_session_messages(session->key(), messages->input, messages->output, threads);
        },
        [session = session_, messages, genuine, output] {
          if (*genuine && session->accept(messages->input)) return;
          crypto::secure_zero(output);
          session->fail();
          refuse_message();
        });
  });
}

Napi::Value SessionOpenerObject::destroy(const Napi::CallbackInfo& info) {
  session_.reset();
  return info.Env().Undefined();
}

}  // namespace cga::binding
