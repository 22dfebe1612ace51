#include "core/report/tcb.h"

namespace cga {

Tcb decode_tcb(Bytes bytes, TcbLayout layout) {
  if (bytes.size() != kTcbSize) throw Error(ErrorKind::kParse, "a TCB_VERSION is 8 bytes long");
  if (layout == TcbLayout::kTurin) {
    return {.fmc = bytes[0], .bootloader = bytes[1], .tee = bytes[2], .snp = bytes[3], .microcode = bytes[7]};
  }
  return {.fmc = std::nullopt, .bootloader = bytes[0], .tee = bytes[1], .snp = bytes[6], .microcode = bytes[7]};
}

bool tcb_reserved_zero(Bytes bytes, TcbLayout layout) {
  return layout == TcbLayout::kTurin ? all_zero(bytes.subspan(4, 3)) : all_zero(bytes.subspan(2, 4));
}

}  // namespace cga
