// tpm2-tss, loaded at the first TPM use.
#pragma once

#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_sys.h>
#include <tss2/tss2_tctildr.h>

namespace cga::tpm {

// SAPI and MU only, never ESYS: ESYS would pull the system's libcrypto.so.3 into a process whose executable exports an
// OpenSSL of its own, costs OpenSSL set-up for every session nonce, and adds commands that nobody asked for.
#define CGA_TSS_SYS(X)    \
  X(GetContextSize)       \
  X(Initialize)           \
  X(Finalize)             \
  X(GetRpBuffer)          \
  X(GetCapability)        \
  X(PCR_Read)             \
  X(PCR_Event)            \
  X(PCR_Extend)           \
  X(ReadPublic)           \
  X(ReadClock)            \
  X(NV_ReadPublic)        \
  X(NV_Read)              \
  X(NV_Write)             \
  X(NV_DefineSpace)       \
  X(NV_UndefineSpace)     \
  X(Quote)                \
  X(Certify)              \
  X(CreatePrimary)        \
  X(StartAuthSession)     \
  X(PolicyPCR)            \
  X(PolicyRestart)        \
  X(RSA_Decrypt)          \
  X(RSA_Decrypt_Prepare)  \
  X(RSA_Decrypt_Complete) \
  X(GetCpBuffer)          \
  X(SetCmdAuths)          \
  X(Execute)              \
  X(GetRspAuths)          \
  X(GetEncryptParam)      \
  X(SetEncryptParam)      \
  X(ContextSave)          \
  X(ContextLoad)          \
  X(FlushContext)

#define CGA_TSS_MU(X)      \
  X(TPMS_ATTEST_Unmarshal) \
  X(TPM2B_PUBLIC_Marshal)  \
  X(TPML_PCR_SELECTION_Marshal)

/// The functions of libtss2 that are used, each with the type its header declares.
struct Tss {
#define CGA_TSS_MEMBER(name) decltype(&::Tss2_Sys_##name) name = nullptr;
  CGA_TSS_SYS(CGA_TSS_MEMBER)
#undef CGA_TSS_MEMBER
#define CGA_TSS_MEMBER(name) decltype(&::Tss2_MU_##name) name = nullptr;
  CGA_TSS_MU(CGA_TSS_MEMBER)
#undef CGA_TSS_MEMBER
  decltype(&::Tss2_TctiLdr_Initialize) TctiLdr_Initialize = nullptr;
  decltype(&::Tss2_TctiLdr_Finalize) TctiLdr_Finalize = nullptr;
  decltype(&::Tss2_RC_Decode) RC_Decode = nullptr;
};

/// Loads the libraries once in the process.
/// @throws Error kTpmUnavailable, naming the package to install, when one is missing; the next call tries again.
const Tss& tss();

/// Keeps the libraries from printing to stderr by themselves, unless TSS2_LOG is set already.
///
/// To be called ahead of the first use, on the thread that also reads and changes the environment otherwise: setenv()
/// may move what a getenv() on another thread is looking through.
void silence_tss();

}  // namespace cga::tpm
