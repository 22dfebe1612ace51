#include "core/tpm/pcr.h"

#include <openssl/sha.h>

#include <algorithm>
#include <bit>

#include "core/tpm/authorization.h"

namespace cga::tpm {
namespace {

constexpr std::uint32_t kPcrCount = 24;

/// One pass over the selection, at most eight values a command; empty when a PCR changed on the way.
std::vector<PcrValue> read_once(Connection& connection, const PcrSelection& selection) {
  std::vector<PcrValue> values;
  std::uint32_t left = selection.mask;
  UINT32 first_counter = 0;
  while (left != 0) {
    const TPML_PCR_SELECTION wanted = PcrSelection{selection.bank, left}.to_tpm();
    UINT32 counter = 0;
    TPML_PCR_SELECTION got{};
    TPML_DIGEST digests{};
    connection.run("TPM2_PCR_Read", [&](TSS2_SYS_CONTEXT* context) {
      return tss().PCR_Read(context, nullptr, &wanted, &counter, &got, &digests, nullptr);
    });
    const std::uint32_t read = pcr_mask(got, selection.bank);
    if (read == 0) {
      throw Error(ErrorKind::kTpm, "the TPM has no value for the PCRs asked for: the PCR bank is not allocated");
    }
    if ((read & ~left) != 0 || digests.count != static_cast<UINT32>(std::popcount(read))) {
      connection.reject_answer("TPM2_PCR_Read answered for other PCRs than asked for");
    }
    if (values.empty()) first_counter = counter;
    if (counter != first_counter) return {};
    UINT32 next = 0;
    for (std::uint32_t index = 0; index < kPcrCount; ++index) {
      if ((read >> index & 1U) == 0) continue;
      const TPM2B_DIGEST& digest = digests.digests[next++];
      values.push_back({index, to_bytes(digest.buffer, digest.size)});
    }
    left &= ~read;
  }
  return values;
}

/// 0 for a hash that no PCR bank has here.
constexpr std::size_t digest_size(TPM2_ALG_ID hash) noexcept {
  switch (hash) {
    case TPM2_ALG_SHA1:
      return TPM2_SHA1_DIGEST_SIZE;
    case TPM2_ALG_SHA256:
      return TPM2_SHA256_DIGEST_SIZE;
    case TPM2_ALG_SHA384:
      return TPM2_SHA384_DIGEST_SIZE;
    case TPM2_ALG_SHA512:
      return TPM2_SHA512_DIGEST_SIZE;
    default:
      return 0;
  }
}

[[noreturn]] void fail_extension(const char* command, std::uint32_t index, TSS2_RC rc) {
  if (tpm_code(rc) != TPM2_RC_LOCALITY) throw tpm_error(command, rc);
  throw Error(ErrorKind::kTpm,
              "the platform does not let its guest extend PCR " + std::to_string(index) + ": " + describe(rc), rc);
}

void require_pcr(std::uint32_t index) {
  if (index >= kPcrCount) throw Error(ErrorKind::kInvalidArgument, "there are the PCRs 0 to 23");
}

}  // namespace

std::uint32_t pcr_mask(const TPML_PCR_SELECTION& selection, TPM2_ALG_ID bank) noexcept {
  std::uint32_t mask = 0;
  for (UINT32 i = 0; i < selection.count && i < TPM2_NUM_PCR_BANKS; ++i) {
    const TPMS_PCR_SELECTION& entry = selection.pcrSelections[i];
    if (entry.hash != bank) continue;
    for (UINT8 byte = 0; byte < entry.sizeofSelect && byte < TPM2_PCR_SELECT_MAX; ++byte) {
      mask |= static_cast<std::uint32_t>(entry.pcrSelect[byte]) << (8 * byte);
    }
  }
  return mask;
}

TPML_PCR_SELECTION PcrSelection::to_tpm() const noexcept {
  TPML_PCR_SELECTION selection{};
  selection.count = 1;
  selection.pcrSelections[0].hash = bank;
  selection.pcrSelections[0].sizeofSelect = kPcrCount / 8;
  for (std::uint32_t byte = 0; byte < kPcrCount / 8; ++byte) {
    selection.pcrSelections[0].pcrSelect[byte] = static_cast<BYTE>(mask >> (8 * byte));
  }
  return selection;
}

std::vector<PcrValue> read_pcrs(Connection& connection, const PcrSelection& selection) {
  if (selection.mask == 0 || selection.mask >> kPcrCount != 0) {
    throw Error(ErrorKind::kInvalidArgument, "a PCR selection names at least one of the PCRs 0 to 23");
  }
  for (int attempt = 0; attempt < retry::kPcrReadAttempts; ++attempt) {
    std::vector<PcrValue> values = read_once(connection, selection);
    if (!values.empty()) return values;
  }
  throw Error(ErrorKind::kTpm, "the PCRs kept changing while they were read", TPM2_RC_PCR_CHANGED);
}

std::vector<PcrValue> event_pcr(Connection& connection, std::uint32_t index, ByteView data) {
  require_pcr(index);
  TPM2B_EVENT event{};
  fill(event, data, "the data of a PCR event");
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  TPML_DIGEST_VALUES digests{};
  const TSS2_RC rc = connection.try_run([&](TSS2_SYS_CONTEXT* context) {
    digests = {};
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().PCR_Event(context, index, &authorization, &event, &digests, &response);
  });
  if (rc != TSS2_RC_SUCCESS) fail_extension("TPM2_PCR_Event", index, rc);
  std::vector<PcrValue> values;
  for (UINT32 i = 0; i < digests.count && i < TPM2_NUM_PCR_BANKS; ++i) {
    const TPMT_HA& digest = digests.digests[i];
    const std::size_t size = digest_size(digest.hashAlg);
    if (size != 0) values.push_back({digest.hashAlg, to_bytes(digest.digest.sha512, size)});
  }
  return values;
}

void extend_pcr(Connection& connection, std::uint32_t index, TPM2_ALG_ID bank, ByteView digest) {
  require_pcr(index);
  const std::size_t size = digest_size(bank);
  if (size == 0 || digest.size() != size) {
    throw Error(ErrorKind::kInvalidArgument, "the digest has not the length of the PCR bank's hash");
  }
  TPML_DIGEST_VALUES digests{};
  digests.count = 1;
  digests.digests[0].hashAlg = bank;
  std::copy(digest.begin(), digest.end(), digests.digests[0].digest.sha512);
  const TSS2L_SYS_AUTH_COMMAND authorization = password_authorization();
  const TSS2_RC rc = connection.try_run([&](TSS2_SYS_CONTEXT* context) {
    TSS2L_SYS_AUTH_RESPONSE response{};
    return tss().PCR_Extend(context, index, &authorization, &digests, &response);
  });
  if (rc != TSS2_RC_SUCCESS) fail_extension("TPM2_PCR_Extend", index, rc);
}

Sha256Digest pcr_digest(const std::vector<PcrValue>& values) {
  Bytes all;
  for (const PcrValue& value : values) all.insert(all.end(), value.digest.begin(), value.digest.end());
  Sha256Digest digest;
  SHA256(all.data(), all.size(), digest.data());
  return digest;
}

Sha256Digest policy_pcr_digest(const PcrSelection& selection, const Sha256Digest& pcr_digest) {
  std::array<std::uint8_t, 128> buffer{};
  std::size_t size = sizeof(Sha256Digest);  // the session's digest before: zeros
  constexpr std::array<std::uint8_t, 4> kCommandCode{0x00, 0x00, 0x01, 0x7F};
  std::copy(kCommandCode.begin(), kCommandCode.end(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
  size += kCommandCode.size();
  const TPML_PCR_SELECTION pcrs = selection.to_tpm();
  const TSS2_RC rc = tss().TPML_PCR_SELECTION_Marshal(&pcrs, buffer.data(), buffer.size(), &size);
  if (rc != TSS2_RC_SUCCESS) throw tpm_error("marshalling a PCR selection", rc);
  std::copy(pcr_digest.begin(), pcr_digest.end(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
  size += pcr_digest.size();
  Sha256Digest policy;
  SHA256(buffer.data(), size, policy.data());
  return policy;
}

}  // namespace cga::tpm
