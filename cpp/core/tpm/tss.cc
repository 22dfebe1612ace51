#include "core/tpm/tss.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <mutex>
#include <optional>
#include <string>

#include "core/error.h"

namespace cga::tpm {
namespace {

class Library {
 public:
  explicit Library(const char* soname) {
    // RTLD_LOCAL and never RTLD_DEEPBIND: a libcrypto.so.3 that the ordinary search order has half bound to Node's own
    // OpenSSL crashes as soon as it is entered.
    handle_ = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) fail(dlerror());
  }

  template <typename Function>
  void find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr) fail(dlerror());
  }

 private:
  [[noreturn]] void fail(const char* reason) const {
    throw Error(ErrorKind::kTpmUnavailable,
                std::string("tpm2-tss cannot be loaded: ") + (reason == nullptr ? "unknown reason" : reason) +
                    "; install the package tpm2-tools, which brings it on Debian, " + "Ubuntu and RHEL");
  }

  void* handle_;  // never closed: the functions stay in use until the process ends
};

Tss load() {
  const Library mu("libtss2-mu.so.0");
  const Library sys("libtss2-sys.so.1");
  const Library loader("libtss2-tctildr.so.0");
  const Library rc("libtss2-rc.so.0");
  Tss table;
#define CGA_TSS_FIND(name) sys.find(table.name, "Tss2_Sys_" #name);
  CGA_TSS_SYS(CGA_TSS_FIND)
#undef CGA_TSS_FIND
#define CGA_TSS_FIND(name) mu.find(table.name, "Tss2_MU_" #name);
  CGA_TSS_MU(CGA_TSS_FIND)
#undef CGA_TSS_FIND
  loader.find(table.TctiLdr_Initialize, "Tss2_TctiLdr_Initialize");
  loader.find(table.TctiLdr_Finalize, "Tss2_TctiLdr_Finalize");
  rc.find(table.RC_Decode, "Tss2_RC_Decode");
  return table;
}

}  // namespace

const Tss& tss() {
  static std::mutex mutex;
  static std::optional<Tss> table;
  const std::lock_guard lock(mutex);
  if (!table) table = load();
  return *table;
}

void silence_tss() {
  setenv("TSS2_LOG", "all+NONE", 0);
}

}  // namespace cga::tpm
