// One AES-256-GCM message on several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/bytes.h"
#include "core/crypto/gcm.h"

namespace cga::crypto {

/// From this length on a second thread pays.
inline constexpr std::size_t kParallelFrom = std::size_t{1} << 20;

/// Like GcmSealer::seal and GcmOpener::open, byte for byte, on up to `threads` threads.
///
/// GCM is CTR encryption, which can start at any block, and GHASH, a polynomial in H: the hashes of parts, each times
/// the power of H that belongs to its place, add up to the hash of the whole (SP 800-38D sections 6.4 and 6.5). Each
/// part is a GCM message of its own to libcrypto, with an IV of 16 bytes chosen so that its counter starts where the
/// part does: for such an IV the counter block is GHASH(IV) (section 7.1), which can be solved for the IV. So all bulk
/// work stays in libcrypto's fused assembly; only the few products that join the parts are ours (gf128.h). How long a
/// part gets is decided while it is worked on (work_ranges.h): one a thread where all are equally fast.
void seal_parallel(ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad, ByteView input,
                   std::uint8_t* output, std::span<std::uint8_t, kGcmTagSize> tag, std::size_t threads);

[[nodiscard]] bool open_parallel(ByteView key, std::span<const std::uint8_t, kGcmIvSize> iv, ByteView aad,
                                 ByteView input, std::span<const std::uint8_t, kGcmTagSize> tag, std::uint8_t* output,
                                 std::size_t threads);

/// Seals a whole message: key, IV, AAD, input, output, tag.
using WholeSeal = std::function<void(ByteView, std::span<const std::uint8_t, kGcmIvSize>, ByteView, ByteView,
                                     std::uint8_t*, std::span<std::uint8_t, kGcmTagSize>)>;

/// Parts of a message rely on what libcrypto promises nowhere: IVs of 16 bytes in its fused kernels, and that a
/// decrypting context tells its tag when it is turned round. So one message for each of the kernels' paths is compared
/// with a whole one; on a difference everything is done in one thread, the slow way. Once in a process, some 50 µs.
bool self_test_parallel();
/// The same against another maker of whole messages: for the test of the test.
bool self_test_parallel(const WholeSeal& whole);

}  // namespace cga::crypto
