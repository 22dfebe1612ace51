// A software TPM for the tests.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/tpm/command_clock.h"

namespace cga::test {

/// The clock of a thread that nobody watches.
[[nodiscard]] inline tpm::CommandClock& unwatched() {
  static tpm::CommandClock clock;
  return clock;
}

/// An swtpm process with its state in a temporary folder, behind a Unix socket. It dies with this object, or with the
/// process.
class Swtpm {
 public:
  Swtpm();
  ~Swtpm();
  Swtpm(const Swtpm&) = delete;
  Swtpm& operator=(const Swtpm&) = delete;

  [[nodiscard]] std::string tcti() const { return "swtpm:path=" + socket_path(); }
  /// Power off and on: the permanent state stays, objects and sessions are gone, the null hierarchy has a new seed.
  void restart();
  /// Takes commands and answers none until resume().
  void pause() const;
  void resume() const;

 private:
  [[nodiscard]] std::string socket_path() const { return folder_ + "/sock"; }
  void start();
  void kill();

  std::string folder_;
  pid_t pid_ = -1;
};

}  // namespace cga::test
