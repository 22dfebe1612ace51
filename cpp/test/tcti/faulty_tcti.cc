// A TCTI between tpm2-tss and another TCTI that does at the n-th command what a TPM, its driver and the way to it can
// do wrong. For tests: it is no part of the package. See FaultPlan for its configuration string.
//
// It is loaded by its path: "/path/libtss2-tcti-faulty.so:nth=3,fault=receive:0xa000a,tcti=swtpm:path=/tmp/tpm".
#include <tss2/tss2_tcti.h>
#include <tss2/tss2_tctildr.h>
#include <tss2/tss2_tpm2_types.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>
#include <vector>

#include "test/tcti/fault_plan.h"

namespace cga::test {
namespace {

constexpr std::uint64_t kMagic = 0x63676174637469ULL;
constexpr std::size_t kHeaderSize = 10;  // tag, size, code
constexpr std::size_t kLargestAnswer = 4096;

void put_u32(std::uint8_t* at, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) *at++ = static_cast<std::uint8_t>(value >> shift);
}

std::uint32_t get_u32(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 | at[3];
}

class FaultyTcti {
 public:
  explicit FaultyTcti(FaultPlan& plan) : plan_(plan) {}
  ~FaultyTcti() { close(); }
  FaultyTcti(const FaultyTcti&) = delete;
  FaultyTcti& operator=(const FaultyTcti&) = delete;

  TSS2_RC open() {
    if (!plan_.may_open()) return TSS2_TCTI_RC_IO_ERROR;
    return Tss2_TctiLdr_Initialize(plan_.tcti().c_str(), &inner_);
  }

  TSS2_RC transmit(std::size_t size, const std::uint8_t* command) {
    if (inner_ == nullptr) return TSS2_TCTI_RC_NO_CONNECTION;
    answered_ = false;
    fault_ = plan_.next(size < kHeaderSize ? 0 : get_u32(command + 6));
    if (fault_ == Fault::kTransmit) return static_cast<TSS2_RC>(plan_.value());
    if (fault_ == Fault::kAnswer) return TSS2_RC_SUCCESS;
    if (fault_ == Fault::kStall) std::this_thread::sleep_for(std::chrono::milliseconds(plan_.value()));
    return Tss2_Tcti_Transmit(inner_, size, command);
  }

  TSS2_RC receive(std::size_t* size, std::uint8_t* response, std::int32_t timeout) {
    if (inner_ == nullptr) return TSS2_TCTI_RC_NO_CONNECTION;
    if (!answered_) {
      if (fault_ == Fault::kDelay) std::this_thread::sleep_for(std::chrono::milliseconds(plan_.value()));
      TSS2_RC rc = take(timeout);
      if (rc == TSS2_RC_SUCCESS) rc = spoil();
      if (rc != TSS2_RC_SUCCESS) return rc;
      answered_ = true;
    }
    const auto claimed = static_cast<std::size_t>(plan_.value());
    if (response == nullptr) {  // how large must the buffer be?
      *size = fault_ == Fault::kQuery ? claimed : answer_.size();
      return TSS2_RC_SUCCESS;
    }
    if (answer_.size() > *size) return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
    std::copy(answer_.begin(), answer_.end(), response);
    *size = fault_ == Fault::kReport ? claimed : answer_.size();
    answered_ = false;
    return TSS2_RC_SUCCESS;
  }

 private:
  /// The TPM's own answer, or that of a TPM that refuses.
  TSS2_RC take(std::int32_t timeout) {
    if (fault_ == Fault::kAnswer) {
      answer_ = {0x80, 0x01, 0, 0, 0, kHeaderSize, 0, 0, 0, 0};
      put_u32(&answer_[6], static_cast<std::uint32_t>(plan_.value()));
      return TSS2_RC_SUCCESS;
    }
    answer_.resize(kLargestAnswer);
    std::size_t size = answer_.size();
    const TSS2_RC rc = Tss2_Tcti_Receive(inner_, &size, answer_.data(), timeout);
    answer_.resize(rc == TSS2_RC_SUCCESS ? size : 0);
    return rc;
  }

  TSS2_RC spoil() {
    const std::int64_t value = plan_.value();
    const auto size = static_cast<std::int64_t>(answer_.size());
    if (size < static_cast<std::int64_t>(kHeaderSize)) return TSS2_TCTI_RC_MALFORMED_RESPONSE;
    switch (fault_) {
      case Fault::kReceive:
        return static_cast<TSS2_RC>(value);
      case Fault::kDrop:
        plan_.drop();
        close();
        return TSS2_TCTI_RC_IO_ERROR;
      case Fault::kCut:
        answer_.resize(static_cast<std::size_t>(std::min(value, size)));
        return TSS2_RC_SUCCESS;
      case Fault::kFlip:
        answer_[static_cast<std::size_t>(value < 0 ? std::max(size + value, INT64_C(0)) : std::min(value, size - 1))] ^=
            1;
        return TSS2_RC_SUCCESS;
      case Fault::kAnnounce:
        put_u32(&answer_[2], static_cast<std::uint32_t>(value));
        return TSS2_RC_SUCCESS;
      default:
        return TSS2_RC_SUCCESS;
    }
  }

  void close() { Tss2_TctiLdr_Finalize(&inner_); }

  FaultPlan& plan_;
  TSS2_TCTI_CONTEXT* inner_ = nullptr;
  Fault fault_ = Fault::kNone;
  std::vector<std::uint8_t> answer_;
  bool answered_ = false;  // answer_ waits to be fetched
};

/// What tpm2-tss allocates for us: its own fields first.
struct Context {
  TSS2_TCTI_CONTEXT_COMMON_CURRENT common;
  FaultyTcti* tcti;
};

FaultyTcti& tcti_of(TSS2_TCTI_CONTEXT* context) {
  return *reinterpret_cast<Context*>(context)->tcti;
}

TSS2_RC initialize(TSS2_TCTI_CONTEXT* context, std::size_t* size, const char* configuration) {
  if (size == nullptr) return TSS2_TCTI_RC_BAD_VALUE;
  if (context == nullptr) {
    *size = sizeof(Context);
    return TSS2_RC_SUCCESS;
  }
  try {
    auto tcti = std::make_unique<FaultyTcti>(FaultPlan::of(configuration == nullptr ? "" : configuration));
    const TSS2_RC rc = tcti->open();
    if (rc != TSS2_RC_SUCCESS) return rc;
    auto& self = *new (context) Context{};
    self.common.v1.magic = kMagic;
    self.common.v1.version = 2;
    self.common.v1.transmit = [](TSS2_TCTI_CONTEXT* c, std::size_t length, const std::uint8_t* command) {
      return tcti_of(c).transmit(length, command);
    };
    self.common.v1.receive = [](TSS2_TCTI_CONTEXT* c, std::size_t* length, std::uint8_t* response, std::int32_t wait) {
      return tcti_of(c).receive(length, response, wait);
    };
    self.common.v1.finalize = [](TSS2_TCTI_CONTEXT* c) { delete &tcti_of(c); };
    self.tcti = tcti.release();
    return TSS2_RC_SUCCESS;
  } catch (const std::exception&) {
    return TSS2_TCTI_RC_BAD_VALUE;
  }
}

constexpr TSS2_TCTI_INFO kInfo{2, "tcti-faulty", "Does at the n-th command what can go wrong",
                               "nth=N,times=N,fault=NAME:VALUE,log=PATH,tcti=TCTI", initialize};

}  // namespace
}  // namespace cga::test

/// The one symbol that the TCTI loader looks for.
extern "C" __attribute__((visibility("default"))) const TSS2_TCTI_INFO* Tss2_Tcti_Info() {
  return &cga::test::kInfo;
}
