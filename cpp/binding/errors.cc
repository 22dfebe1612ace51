#include "binding/errors.h"

#include <new>

namespace cga::binding {

Napi::Error make_error(Napi::Env env, const Error& error) {
  Napi::Error result = Napi::Error::New(env, error.what());
  result.Set("kind", Napi::String::New(env, error_kind_name(error.kind())));
  result.Set("tpmErrorCode", Napi::Number::New(env, error.tss_rc()));
  return result;
}

Napi::Error make_error(Napi::Env env, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return make_error(env, known);
  } catch (const std::bad_alloc&) {
    return make_error(env, Error(ErrorKind::kInternal, "out of memory"));
  } catch (const std::exception& other) {
    return make_error(env, Error(ErrorKind::kInternal, other.what()));
  } catch (...) {
    return make_error(env, Error(ErrorKind::kInternal, "unknown native failure"));
  }
}

}  // namespace cga::binding
