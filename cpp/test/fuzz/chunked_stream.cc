// C2SP chunked encryption: any ciphertext in any pieces, and a round trip with one changed byte.
#include <algorithm>
#include <array>
#include <vector>

#include "core/crypto/chunked.h"
#include "fuzz.h"

namespace {

using cga::fuzz::Input;

const std::array<std::uint8_t, 32> kInputKey{1, 2, 3};

/// Plaintext of `sealed` cut into pieces of `piece` bytes; false when it is refused.
bool open(Input sealed, std::size_t piece, std::vector<std::uint8_t>& plaintext) {
  try {
    if (sealed.size() < cga::crypto::kChunkedPrefixSize) return false;
    cga::crypto::ChunkOpener opener(kInputKey, sealed.first<cga::crypto::kChunkedPrefixSize>(), {});
    for (Input rest = sealed.subspan(cga::crypto::kChunkedPrefixSize); !rest.empty();) {
      const Input part = rest.first(std::min(piece, rest.size()));
      std::vector<std::uint8_t> out(opener.update_size(part.size()));
      out.resize(opener.update(part, out.data(), 1));
      plaintext.insert(plaintext.end(), out.begin(), out.end());
      rest = rest.subspan(part.size());
    }
    std::vector<std::uint8_t> out(opener.finish_size());
    out.resize(opener.finish(out.data()));
    plaintext.insert(plaintext.end(), out.begin(), out.end());
    return true;
  } catch (const cga::Error& error) {
    cga::fuzz::require(error.kind() == cga::ErrorKind::kCrypto);
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cga::fuzz;
  if (size < 4) return 0;
  const std::size_t piece = 1 + (data[0] | data[1] << 8);
  const std::size_t change = data[2] | data[3] << 8;
  const Input input(data + 4, size - 4);

  std::vector<std::uint8_t> opened;
  require(!open(input, piece, opened));  // nobody guesses a commitment

  const std::array<std::uint8_t, cga::crypto::kChunkedSaltSize> salt{9};
  cga::crypto::ChunkSealer sealer(kInputKey, salt, {});
  std::vector<std::uint8_t> sealed(sealer.prefix().begin(), sealer.prefix().end());
  std::vector<std::uint8_t> out(sealer.update_size(input.size()));
  out.resize(sealer.update(input, out.data(), 1));
  sealed.insert(sealed.end(), out.begin(), out.end());
  out.resize(sealer.finish_size());
  out.resize(sealer.finish(out.data()));
  sealed.insert(sealed.end(), out.begin(), out.end());

  opened.clear();
  require(open(sealed, piece, opened) && std::equal(opened.begin(), opened.end(), input.begin(), input.end()));
  sealed[change % sealed.size()] ^= 1;
  opened.clear();
  require(!open(sealed, piece, opened));
  return 0;
}
