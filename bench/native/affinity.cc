// pin(cores): every thread of this process on the first `cores` of the processors that it was started with; 0 for all
// of them.
#include <dirent.h>
#include <napi.h>
#include <sched.h>

#include <cstdlib>

namespace {

const cpu_set_t kAllowed = [] {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  return set;
}();

void pin(const Napi::CallbackInfo& info) {
  int left = info[0].As<Napi::Number>().Int32Value();
  cpu_set_t set = kAllowed;
  for (int core = 0; left != 0 && core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &kAllowed)) continue;
    if (left > 0) {
      if (--left == 0) left = -1;
    } else {
      CPU_CLR(core, &set);
    }
  }
  DIR* const threads = opendir("/proc/self/task");
  if (threads == nullptr) throw Napi::Error::New(info.Env(), "/proc/self/task cannot be read");
  while (const dirent* thread = readdir(threads)) {
    const int id = std::atoi(thread->d_name);
    if (id != 0) sched_setaffinity(id, sizeof set, &set);  // one that has ended meanwhile is no loss
  }
  closedir(threads);
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports.Set("pin", Napi::Function::New<pin>(env, "pin"));
  return exports;
}

NODE_API_MODULE(affinity, start)

}  // namespace
