#include "test/tcti/fault_plan.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>

namespace cga::test {
namespace {

constexpr std::array<std::pair<std::string_view, Fault>, 11> kFaults{{
    {"transmit", Fault::kTransmit},
    {"receive", Fault::kReceive},
    {"answer", Fault::kAnswer},
    {"cut", Fault::kCut},
    {"flip", Fault::kFlip},
    {"announce", Fault::kAnnounce},
    {"report", Fault::kReport},
    {"query", Fault::kQuery},
    {"stall", Fault::kStall},
    {"delay", Fault::kDelay},
    {"drop", Fault::kDrop},
}};

std::int64_t number(std::string_view text) {
  std::size_t end = 0;
  const std::int64_t value = std::stoll(std::string(text), &end, 0);
  if (end != text.size()) throw std::invalid_argument("not a number: " + std::string(text));
  return value;
}

}  // namespace

FaultPlan& FaultPlan::of(const std::string& configuration) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<FaultPlan>> plans;
  const std::lock_guard guard(mutex);
  auto& plan = plans[configuration];
  if (!plan) plan = std::make_unique<FaultPlan>(configuration);
  return *plan;
}

FaultPlan::FaultPlan(std::string_view configuration) {
  while (tcti_.empty()) {
    const std::size_t equals = configuration.find('=');
    if (equals == std::string_view::npos) throw std::invalid_argument("there is no tcti=");
    const std::string_view name = configuration.substr(0, equals);
    const std::string_view rest = configuration.substr(equals + 1);
    const std::size_t end = name == "tcti" ? rest.size() : std::min(rest.find(','), rest.size());
    set(name, rest.substr(0, end));
    configuration = rest.substr(std::min(end + 1, rest.size()));
  }
}

void FaultPlan::set(std::string_view name, std::string_view value) {
  if (name == "nth") {
    nth_ = static_cast<std::uint64_t>(number(value));
  } else if (name == "times") {
    times_ = static_cast<std::uint64_t>(number(value));
  } else if (name == "fault") {
    set_fault(value);
  } else if (name == "log") {
    log_ = value;
  } else if (name == "tcti" && !value.empty()) {
    tcti_ = value;
  } else {
    throw std::invalid_argument("unknown: " + std::string(name));
  }
}

void FaultPlan::set_fault(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  fault_name_ = text.substr(0, colon);
  for (const auto& [name, fault] : kFaults) {
    if (name == fault_name_) fault_ = fault;
  }
  if (fault_ == Fault::kNone || colon == text.size()) throw std::invalid_argument("no fault: " + std::string(text));
  value_ = number(text.substr(colon + 1));
}

Fault FaultPlan::next(std::uint32_t command_code) {
  const std::lock_guard guard(mutex_);
  ++commands_;
  const bool struck = nth_ > 0 && commands_ >= nth_ && commands_ - nth_ < times_;
  if (!log_.empty()) {
    char line[64];
    std::snprintf(line, sizeof line, "%08x %s\n", command_code, struck ? fault_name_.c_str() : "");
    std::ofstream(log_, std::ios::app) << line;
  }
  return struck ? fault_ : Fault::kNone;
}

bool FaultPlan::may_open() {
  const std::lock_guard guard(mutex_);
  if (closed_for_ == 0) return true;
  --closed_for_;
  return false;
}

void FaultPlan::drop() {
  const std::lock_guard guard(mutex_);
  closed_for_ = value_;
}

}  // namespace cga::test
