// Which command of a client meets which fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace cga::test {

/// What becomes of one command and its answer. `value` is the number behind the fault's name.
enum class Fault {
  kNone,
  /// transmit() returns this TSS2_RC; the TPM sees nothing.
  kTransmit,
  /// The TPM executes the command; its answer is lost and receive() returns this TSS2_RC.
  kReceive,
  /// The TPM sees nothing; the answer is this response code.
  kAnswer,
  /// The answer ends after this many bytes, and receive() says so.
  kCut,
  /// One bit of the byte at this offset is flipped; negative: counted from the end.
  kFlip,
  /// The answer's own header announces this size.
  kAnnounce,
  /// receive() reports this size for what it has put into the buffer.
  kReport,
  /// receive() says that the answer needs a buffer of this size.
  kQuery,
  /// transmit() takes this many milliseconds longer.
  kStall,
  /// receive() takes this many milliseconds longer: silence, when that is longer than anybody waits.
  kDelay,
  /// The TPM executes the command; then the connection is gone and cannot be opened again this many times.
  kDrop,
};

/// A configuration string taken apart, and how far the clients that gave it have come.
///
///     nth=3,times=2,fault=receive:0xa000a,log=/tmp/commands,tcti=swtpm:path=/tmp/tpm
///
/// `nth` counts commands from 1, over all connections with the same string; 0 is none. `log` gets a line a command: its
/// code, and the fault's name when it was struck. `tcti` comes last: its own value may hold commas.
class FaultPlan {
 public:
  /// The plan of a string: the same object each time, so that the count outlives a connection.
  /// @throws std::invalid_argument
  [[nodiscard]] static FaultPlan& of(const std::string& configuration);

  explicit FaultPlan(std::string_view configuration);

  /// Counts a command. @returns the fault that strikes it
  [[nodiscard]] Fault next(std::uint32_t command_code);
  /// Whether a connection can be opened now.
  [[nodiscard]] bool may_open();
  /// The connection is gone for the number of attempts that kDrop was given.
  void drop();

  [[nodiscard]] std::int64_t value() const noexcept { return value_; }
  [[nodiscard]] const std::string& tcti() const noexcept { return tcti_; }

 private:
  void set(std::string_view name, std::string_view value);
  void set_fault(std::string_view text);

  std::uint64_t nth_ = 0;
  std::uint64_t times_ = 1;
  Fault fault_ = Fault::kNone;
  std::string fault_name_;
  std::int64_t value_ = 0;
  std::string log_;
  std::string tcti_;

  std::mutex mutex_;
  std::uint64_t commands_ = 0;
  std::int64_t closed_for_ = 0;
};

}  // namespace cga::test
