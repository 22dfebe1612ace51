#include "core/tpm/checked_tcti.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/tpm/response_code.h"

using cga::tpm::CheckedTcti;

namespace {

/// A TCTI that answers with these bytes, and says that there are `reported` of them.
struct ScriptedTcti {
  TSS2_TCTI_CONTEXT_COMMON_V1 common{};
  std::vector<std::uint8_t> answer;
  std::size_t reported = 0;
  TSS2_RC rc = TSS2_RC_SUCCESS;
  std::vector<std::uint8_t> command;

  explicit ScriptedTcti(std::vector<std::uint8_t> bytes) : answer(std::move(bytes)), reported(answer.size()) {
    common.magic = 1;
    common.version = 1;
    common.transmit = [](TSS2_TCTI_CONTEXT* self, std::size_t size, const std::uint8_t* sent) {
      reinterpret_cast<ScriptedTcti*>(self)->command.assign(sent, sent + size);
      return TSS2_RC{TSS2_RC_SUCCESS};
    };
    common.receive = [](TSS2_TCTI_CONTEXT* self, std::size_t* size, std::uint8_t* response, std::int32_t) {
      const auto& script = *reinterpret_cast<ScriptedTcti*>(self);
      if (response != nullptr) std::copy_n(script.answer.begin(), std::min(*size, script.answer.size()), response);
      *size = script.reported;
      return script.rc;
    };
  }

  TSS2_TCTI_CONTEXT* context() { return reinterpret_cast<TSS2_TCTI_CONTEXT*>(&common); }
};

const std::vector<std::uint8_t> kAnswer{0x80, 0x01, 0, 0, 0, 12, 0, 0, 0, 0, 0xAA, 0xBB};

TSS2_RC receive(ScriptedTcti& script) {
  CheckedTcti checked(script.context());
  std::array<std::uint8_t, 64> response{};
  std::size_t size = response.size();
  return Tss2_Tcti_Receive(checked.context(), &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK);
}

}  // namespace

TEST_CASE("a TCTI's answers reach SAPI when they are whole") {
  ScriptedTcti script(kAnswer);
  CheckedTcti checked(script.context());

  const std::vector<std::uint8_t> command{1, 2, 3};
  CHECK(Tss2_Tcti_Transmit(checked.context(), command.size(), command.data()) == TSS2_RC_SUCCESS);
  CHECK(script.command == command);

  std::array<std::uint8_t, 64> response{};
  std::size_t size = response.size();
  CHECK(Tss2_Tcti_Receive(checked.context(), &size, response.data(), TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS);
  CHECK(std::vector(response.begin(), response.begin() + static_cast<std::ptrdiff_t>(size)) == kAnswer);

  std::size_t needed = 0;
  CHECK(Tss2_Tcti_Receive(checked.context(), &needed, nullptr, TSS2_TCTI_TIMEOUT_BLOCK) == TSS2_RC_SUCCESS);
  CHECK(needed == kAnswer.size());

  script.rc = TSS2_TCTI_RC_TRY_AGAIN;
  CHECK(receive(script) == TSS2_TCTI_RC_TRY_AGAIN);
}

TEST_CASE("an answer of another size than its header says is malformed") {
  SUBCASE("every shorter one") {
    for (std::size_t size = 0; size < kAnswer.size(); ++size) {
      ScriptedTcti script(std::vector(kAnswer.begin(), kAnswer.begin() + static_cast<std::ptrdiff_t>(size)));
      CHECK(receive(script) == TSS2_TCTI_RC_MALFORMED_RESPONSE);
    }
  }
  SUBCASE("one with more behind it") {
    ScriptedTcti script(kAnswer);
    script.answer.push_back(0xCC);
    script.reported = script.answer.size();
    CHECK(receive(script) == TSS2_TCTI_RC_MALFORMED_RESPONSE);
  }
  SUBCASE("one that fits into no buffer") {
    for (const std::size_t reported : {std::size_t{65}, std::size_t{0xFFFFFFFF}, SIZE_MAX}) {
      ScriptedTcti script(kAnswer);
      script.answer = {0x80, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0};
      script.reported = reported;
      CHECK(receive(script) == TSS2_TCTI_RC_MALFORMED_RESPONSE);
    }
  }
}

TEST_CASE("an answer with a code that no TPM has is malformed") {
  const auto outcome = [](TSS2_RC code) {
    ScriptedTcti script(kAnswer);
    for (int byte = 0; byte < 4; ++byte) script.answer[6 + byte] = static_cast<std::uint8_t>(code >> (24 - 8 * byte));
    return receive(script);
  };
  for (const TSS2_RC code :
       {TPM2_RC_BAD_TAG, TPM2_RC_FAILURE, TPM2_RC_RETRY, TPM2_RC_LOCKOUT, TPM2_RC_HANDLE,
        TPM2_RC_VALUE + TPM2_RC_P + TPM2_RC_1, TSS2_RC{0x500},  // vendor's
        TSS2_RESMGR_TPM_RC_LAYER + TPM2_RC_COMMAND_CODE, TSS2_RESMGR_RC_LAYER + TPM2_RC_SUCCESS + 1}) {
    CAPTURE(code);
    CHECK(outcome(code) == TSS2_RC_SUCCESS);
  }
  for (const TSS2_RC code : {0x1U, 0x10U, 0x10000U, 0x01000000U, 0x1101U, 0xA000AU, 0xFFFFFFFFU}) {
    CAPTURE(code);
    CHECK(outcome(code) == TSS2_TCTI_RC_MALFORMED_RESPONSE);
  }
}
