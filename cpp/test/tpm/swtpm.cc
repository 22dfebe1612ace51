#include "test/tpm/swtpm.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "core/tpm/capability.h"

namespace cga::test {

Swtpm::Swtpm() {
  std::string pattern = std::filesystem::temp_directory_path() / "swtpm-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  start();
}

Swtpm::~Swtpm() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void Swtpm::restart() {
  kill();
  start();
}

void Swtpm::pause() const {
  ::kill(pid_, SIGSTOP);
}

void Swtpm::resume() const {
  ::kill(pid_, SIGCONT);
}

void Swtpm::start() {
  const std::string state = "dir=" + folder_;
  const std::string server = "type=unixio,path=" + socket_path();
  const std::string control = server + ".ctrl";
  const std::array<const char*, 12> arguments = {"swtpm",
                                                 "socket",
                                                 "--tpm2",
                                                 "--tpmstate",
                                                 state.c_str(),
                                                 "--server",
                                                 server.c_str(),
                                                 "--ctrl",
                                                 control.c_str(),
                                                 "--flags",
                                                 "not-need-init,startup-clear",
                                                 nullptr};
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execvp("swtpm", const_cast<char* const*>(arguments.data()));
    _exit(127);
  }
  for (int attempt = 0; attempt < 1000; ++attempt) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (waitpid(pid_, nullptr, WNOHANG) != 0) break;
    try {
      tpm::Connection connection(tcti(), unwatched());
      (void)tpm::read_epoch(connection);
      return;
    } catch (const Error&) {
      continue;  // not listening yet
    }
  }
  throw std::runtime_error("swtpm did not start: apt-get install swtpm");
}

void Swtpm::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace cga::test
