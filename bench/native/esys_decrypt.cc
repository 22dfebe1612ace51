// A decrypt as the reference client does it: its own ESYS context, the ephemeral key made again, one RSA_Decrypt,
// everything flushed. The 14 commands of its transcript in their order, with its parameters (null hierarchy, 256 zero
// bytes of `unique`, unsalted sessions with 20 zero bytes of nonce): GetCapability, PCR_Read, GetCapability,
// StartAuthSession (trial), PolicyPCR, PolicyGetDigest, FlushContext, CreatePrimary, GetCapability, StartAuthSession,
// PolicyPCR, RSA_Decrypt, FlushContext twice. None more, none less.
//
//   esys_decrypt TCTI
//
// Reads lines "COUNT CIPHERTEXT" (hexadecimal, RSA-OAEP with SHA-256), decrypts COUNT times and answers with the
// nanoseconds that took and those of CreatePrimary among them, or with "error RC".
#include <tss2/tss2_esys.h>
#include <tss2/tss2_tctildr.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;
constexpr ESYS_TR kNone = ESYS_TR_NONE;

struct EsysFree {
  void operator()(void* memory) const { Esys_Free(memory); }
};
template <typename T>
using Owned = std::unique_ptr<T, EsysFree>;

void check(TSS2_RC rc) {
  if (rc != TSS2_RC_SUCCESS) throw rc;
}

class Client {
 public:
  explicit Client(const char* tcti) {
    check(Tss2_TctiLdr_Initialize(tcti, &tcti_));
    check(Esys_Initialize(&esys_, tcti_, nullptr));
    pcrs_.count = 1;
    pcrs_.pcrSelections[0] = {.hash = TPM2_ALG_SHA256, .sizeofSelect = 3, .pcrSelect = {0xFF}};
  }
  ~Client() {
    Esys_Finalize(&esys_);
    Tss2_TctiLdr_Finalize(&tcti_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// @returns what the making of the key took of it
  Clock::duration decrypt(const TPM2B_PUBLIC_KEY_RSA& ciphertext) {
    read_pcrs();
    const ESYS_TR trial = start_session(TPM2_SE_TRIAL);
    check(Esys_PolicyPCR(esys_, trial, kNone, kNone, kNone, &digest_, &pcrs_));
    TPM2B_DIGEST* policy = nullptr;
    check(Esys_PolicyGetDigest(esys_, trial, kNone, kNone, kNone, &policy));
    const Owned<TPM2B_DIGEST> policy_owner(policy);
    check(Esys_FlushContext(esys_, trial));
    const auto before_key = Clock::now();
    const ESYS_TR key = create_key(*policy);
    const auto key_took = Clock::now() - before_key;
    count_pcrs();
    const ESYS_TR session = start_session(TPM2_SE_POLICY);
    check(Esys_PolicyPCR(esys_, session, kNone, kNone, kNone, &digest_, &pcrs_));
    TPMT_RSA_DECRYPT scheme{};
    scheme.scheme = TPM2_ALG_OAEP;
    scheme.details.oaep.hashAlg = TPM2_ALG_SHA256;
    const TPM2B_DATA label{};
    TPM2B_PUBLIC_KEY_RSA* message = nullptr;
    check(Esys_RSA_Decrypt(esys_, key, session, kNone, kNone, &ciphertext, &scheme, &label, &message));
    const Owned<TPM2B_PUBLIC_KEY_RSA> message_owner(message);
    check(Esys_FlushContext(esys_, key));
    check(Esys_FlushContext(esys_, session));
    return key_took;
  }

 private:
  void count_pcrs() {
    TPMS_CAPABILITY_DATA* data = nullptr;
    check(
        Esys_GetCapability(esys_, kNone, kNone, kNone, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_PCR_COUNT, 1, nullptr, &data));
    const Owned<TPMS_CAPABILITY_DATA> owner(data);
  }

  void read_pcrs() {
    count_pcrs();
    UINT32 counter = 0;
    TPML_PCR_SELECTION* selection = nullptr;
    TPML_DIGEST* values = nullptr;
    check(Esys_PCR_Read(esys_, kNone, kNone, kNone, &pcrs_, &counter, &selection, &values));
    const Owned<TPML_PCR_SELECTION> selection_owner(selection);
    const Owned<TPML_DIGEST> values_owner(values);
    count_pcrs();
    // The empty digest lets the TPM take its own values: what a hash here would cost is nothing beside a command.
    digest_ = {};
  }

  ESYS_TR start_session(TPM2_SE type) {
    TPM2B_NONCE nonce{};
    nonce.size = 20;
    const TPMT_SYM_DEF symmetric{.algorithm = TPM2_ALG_NULL, .keyBits = {}, .mode = {}};
    ESYS_TR session = kNone;
    check(Esys_StartAuthSession(esys_, kNone, kNone, kNone, kNone, kNone, &nonce, type, &symmetric, TPM2_ALG_SHA256,
                                &session));
    return session;
  }

  ESYS_TR create_key(const TPM2B_DIGEST& policy) {
    TPM2B_PUBLIC area{};
    area.publicArea.type = TPM2_ALG_RSA;
    area.publicArea.nameAlg = TPM2_ALG_SHA256;
    area.publicArea.objectAttributes = 0x00020432;
    area.publicArea.authPolicy = policy;
    area.publicArea.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
    area.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
    area.publicArea.parameters.rsaDetail.keyBits = 2048;
    area.publicArea.unique.rsa.size = 256;
    const TPM2B_SENSITIVE_CREATE sensitive{};
    const TPM2B_DATA outside{};
    const TPML_PCR_SELECTION none{};
    ESYS_TR key = kNone;
    check(Esys_CreatePrimary(esys_, ESYS_TR_RH_NULL, ESYS_TR_PASSWORD, kNone, kNone, &sensitive, &area, &outside, &none,
                             &key, nullptr, nullptr, nullptr, nullptr));
    return key;
  }

  TSS2_TCTI_CONTEXT* tcti_ = nullptr;
  ESYS_CONTEXT* esys_ = nullptr;
  TPML_PCR_SELECTION pcrs_{};
  TPM2B_DIGEST digest_{};
};

void serve(const char* tcti, const std::string& line) {
  std::istringstream words(line);
  unsigned long count = 0;
  std::string text;
  words >> count >> text;
  TPM2B_PUBLIC_KEY_RSA ciphertext{};
  for (std::size_t i = 0; i + 1 < text.size() && ciphertext.size < sizeof ciphertext.buffer; i += 2) {
    ciphertext.buffer[ciphertext.size++] = static_cast<BYTE>(std::stoul(text.substr(i, 2), nullptr, 16));
  }
  const auto start = Clock::now();
  Clock::duration keys{};
  try {
    for (unsigned long i = 0; i < count; ++i) keys += Client(tcti).decrypt(ciphertext);
  } catch (TSS2_RC rc) {
    std::printf("error 0x%x\n", rc);
    return;
  }
  const auto nanoseconds = [](Clock::duration time) {
    return static_cast<long long>(std::chrono::nanoseconds(time).count());
  };
  std::printf("%lld %lld\n", nanoseconds(Clock::now() - start), nanoseconds(keys));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  for (std::string line; std::getline(std::cin, line);) {
    serve(argv[1], line);
    std::fflush(stdout);
  }
}
