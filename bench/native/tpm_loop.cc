// A bare loop over TPM commands: what the TPM and the way to it cost, with nothing of the library in between.
//
//   tpm_loop TCTI
//
// Reads lines "COUNT COMMAND…" (commands as hexadecimal text), sends the commands COUNT times over one TCTI, one after
// the other, and answers each line with the nanoseconds that took, or with "error COMMAND-NUMBER RC".
#include <tss2/tss2_tctildr.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Command = std::vector<std::uint8_t>;

Command parse(const std::string& text) {
  Command command;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    command.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return command;
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) << 24 | static_cast<std::uint32_t>(bytes[1]) << 16 |
         static_cast<std::uint32_t>(bytes[2]) << 8 | bytes[3];
}

/// The TPM's response code, or the TCTI's.
TSS2_RC send(TSS2_TCTI_CONTEXT* tcti, const Command& command) {
  TSS2_RC rc = Tss2_Tcti_Transmit(tcti, command.size(), command.data());
  if (rc != TSS2_RC_SUCCESS) return rc;
  std::uint8_t response[4096];
  std::size_t size = sizeof response;
  rc = Tss2_Tcti_Receive(tcti, &size, response, TSS2_TCTI_TIMEOUT_BLOCK);
  if (rc != TSS2_RC_SUCCESS) return rc;
  if (size < 10) return TSS2_TCTI_RC_MALFORMED_RESPONSE;
  return big_endian(response + 6);
}

void serve(TSS2_TCTI_CONTEXT* tcti, const std::string& line) {
  std::istringstream words(line);
  unsigned long count = 0;
  words >> count;
  std::vector<Command> commands;
  for (std::string word; words >> word;) commands.push_back(parse(word));
  const auto start = std::chrono::steady_clock::now();
  for (unsigned long i = 0; i < count; ++i) {
    for (std::size_t number = 0; number < commands.size(); ++number) {
      const TSS2_RC rc = send(tcti, commands[number]);
      if (rc != TSS2_RC_SUCCESS) {
        std::printf("error %zu 0x%x\n", number, rc);
        return;
      }
    }
  }
  const auto took = std::chrono::steady_clock::now() - start;
  std::printf("%lld\n", static_cast<long long>(std::chrono::nanoseconds(took).count()));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  TSS2_TCTI_CONTEXT* tcti = nullptr;
  const TSS2_RC rc = Tss2_TctiLdr_Initialize(argv[1], &tcti);
  if (rc != TSS2_RC_SUCCESS) {
    std::fprintf(stderr, "no TPM at %s: 0x%x\n", argv[1], rc);
    return 1;
  }
  for (std::string line; std::getline(std::cin, line);) {
    serve(tcti, line);
    std::fflush(stdout);
  }
  Tss2_TctiLdr_Finalize(&tcti);
}
