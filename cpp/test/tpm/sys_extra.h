// Functions of libtss2-sys that the core does not use.
#pragma once

#include <dlfcn.h>
#include <tss2/tss2_sys.h>

#include <stdexcept>

namespace cga::test {

template <typename Function>
Function sys_extra(const char* name) {
  static void* const library = dlopen("libtss2-sys.so.1", RTLD_NOW | RTLD_LOCAL);
  void* const function = library == nullptr ? nullptr : dlsym(library, name);
  if (function == nullptr) throw std::runtime_error(name);
  return reinterpret_cast<Function>(function);
}

}  // namespace cga::test

#define CGA_SYS_EXTRA(name) cga::test::sys_extra<decltype(&::Tss2_Sys_##name)>("Tss2_Sys_" #name)
