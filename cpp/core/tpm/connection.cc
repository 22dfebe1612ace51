#include "core/tpm/connection.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <thread>

namespace cga::tpm {

Connection::Connection(const std::string& tcti, CommandClock& clock) : clock_(&clock) {
  const Tss& library = tss();
  TSS2_RC rc;
  {
    const CommandClock::Command in_flight(*clock_);
    rc = library.TctiLdr_Initialize(tcti.c_str(), &tcti_);
  }
  if (rc == TSS2_RC_SUCCESS) {
    const std::size_t size = library.GetContextSize(0);
    context_ = std::make_unique<std::uint64_t[]>((size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
    TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;
    checked_tcti_.emplace(tcti_);
    rc = library.Initialize(context(), size, checked_tcti_->context(), &version);
    if (rc != TSS2_RC_SUCCESS) library.TctiLdr_Finalize(&tcti_);
  }
  if (rc != TSS2_RC_SUCCESS) {
    throw Error(ErrorKind::kTpmUnavailable, "no TPM at \"" + tcti + "\": " + describe(rc), rc);
  }
}

Connection::~Connection() {
  const Tss& library = tss();
  library.Finalize(context());
  const CommandClock::Command in_flight(*clock_);
  library.TctiLdr_Finalize(&tcti_);
}

void Connection::refuse_when_abandoned() const {
  if (clock_->abandoned()) {
    throw Error(ErrorKind::kTimeout, "the TPM answered after its client had given up");
  }
}

TSS2_RC Connection::retry(TSS2_RC rc, const std::function<TSS2_RC()>& command) {
  constexpr std::chrono::milliseconds kStep{20};
  auto pause = retry::kBusy.first_pause;
  bool closing = clock_->interrupted();
  while (is_retry_warning(rc) || is_out_of_slots(rc)) {
    // A slot that this process can give up itself costs no waiting. The relief sends commands of its own.
    const bool freed = is_out_of_slots(rc) && relief_ && relief_();
    for (auto left = freed ? std::chrono::milliseconds::zero() : pause; left.count() > 0;) {
      if (!closing && clock_->interrupted()) {
        closing = true;
        pause = retry::kBusy.first_pause;
        break;
      }
      const auto step = std::min(left, kStep);
      if (!clock_->spend(step)) {
        if (clock_->interrupted()) throw Error(ErrorKind::kAborted, "the TPM client is closed", rc);
        return rc;
      }
      const auto start = std::chrono::steady_clock::now();
      std::this_thread::sleep_for(step);
      const auto slept = std::chrono::steady_clock::now() - start;
      clock_->charge(std::chrono::duration_cast<std::chrono::milliseconds>(slept) - step);
      left -= step;
    }
    if (!freed) pause = std::min(pause * 2, retry::kBusy.longest_pause);
    rc = command();
  }
  return rc;
}

void Connection::reject_answer(const char* why) {
  broken_ = true;
  throw Error(ErrorKind::kTpm, why, TSS2_SYS_RC_MALFORMED_RESPONSE);
}

void Connection::cleanse_response() noexcept {
  std::size_t size = 0;
  const std::uint8_t* response = nullptr;
  if (tss().GetRpBuffer(context(), &size, &response) == TSS2_RC_SUCCESS) {
    // It points into our own context_.
    OPENSSL_cleanse(const_cast<std::uint8_t*>(response), size);
  }
}

}  // namespace cga::tpm
