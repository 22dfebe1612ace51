#include "core/signature/known_keys.h"

#include <doctest/doctest.h>
#include <malloc.h>
#include <time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "core/signature/public_key.h"
#include "test/signature/ecdsa.h"

using cga::Bytes;
using cga::ByteView;
using cga::signature::Algorithm;
using cga::signature::Curve;
using cga::signature::Digest;
using cga::signature::EcdsaTable;
using cga::signature::Hash;
using cga::signature::KnownKeys;
using cga::signature::PublicKey;
using cga::signature::Scheme;
using cga::test::Group;
using cga::test::Number;
using cga::test::RawSignature;

namespace {

constexpr std::array kCurves{Curve::kP256, Curve::kP384, Curve::kP521};
constexpr std::array kHashes{Hash::kSha256, Hash::kSha384, Hash::kSha512};
constexpr KnownKeys::Rule kRule{.uses = 2, .tables = 4, .counted = 8, .on_helper = false};
const Bytes kMessage{'m', 'e', 's', 's', 'a', 'g', 'e'};

Bytes random_point(const Group& group) {
  return group.encoded(group.product(group.random().get()).get());
}

/// What nobody looks at before a table is made of it.
Bytes no_point(std::uint32_t number) {
  Bytes result(97, 4);
  std::memcpy(result.data() + 1, &number, sizeof number);
  return result;
}

/// A key with a good and a bad signature for each hash.
struct Signer {
  explicit Signer(const Group& group, Curve of) : curve(of) {
    const Number d = group.random();
    point = group.encoded(group.product(d.get()).get());
    for (const Hash hash : kHashes) {
      const RawSignature signature = group.sign(d.get(), Digest(hash, kMessage).bytes());
      Bytes both = signature.r;
      both.insert(both.end(), signature.s.begin(), signature.s.end());
      good.push_back(both);
      both[both.size() / 3] ^= 4U;
      bad.push_back(both);
    }
  }
  [[nodiscard]] PublicKey key() const {
    const std::size_t field = point.size() / 2;
    return PublicKey::ec(curve, ByteView(point).subspan(1, field), ByteView(point).subspan(1 + field));
  }
  /// Whether all verdicts are right.
  [[nodiscard]] bool verdicts(const PublicKey& of) const {
    bool right = true;
    for (std::size_t i = 0; i < kHashes.size(); ++i) {
      const Scheme scheme{Algorithm::kEcdsa, kHashes[i]};
      right = of.verify(scheme, kMessage, good[i]) && !of.verify(scheme, kMessage, bad[i]) && right;
    }
    return right;
  }

  Curve curve;
  Bytes point;
  std::vector<Bytes> good;
  std::vector<Bytes> bad;
};

}  // namespace

TEST_CASE("a key's verdicts are the same before it is known and after") {
  for (const Curve curve : kCurves) {
    const Group group(curve);
    CAPTURE(group.name());
    for (int i = 0; i < 5; ++i) {
      const Signer signer(group, curve);
      const PublicKey kept = signer.key();
      for (int again = 0; again < 5; ++again) {
        CHECK(signer.verdicts(kept));
        CHECK(signer.verdicts(signer.key()));
      }
    }
  }
}

TEST_CASE("a P-384 key gets its table at its third use, in whatever object it comes") {
  KnownKeys* const known = KnownKeys::of(Curve::kP384);
  if (known == nullptr) return;
  const Signer signer(Group(Curve::kP384), Curve::kP384);
  const Scheme scheme{Algorithm::kEcdsa, Hash::kSha384};
  const auto before = known->figures();
  // Whether a signature is good does not matter to what it costs.
  CHECK(signer.key().verify(scheme, kMessage, signer.good[1]));
  CHECK_FALSE(signer.key().verify(scheme, kMessage, signer.bad[1]));
  CHECK(known->figures().made == before.made);
  CHECK(signer.key().verify(scheme, kMessage, signer.good[1]));
  CHECK(known->figures().made == before.made + 1);
  for (int i = 0; i < 10; ++i) CHECK(signer.key().verify(scheme, kMessage, signer.good[1]));
  CHECK(known->figures().made == before.made + 1);
  // What has the wrong length is refused before anything is counted or computed.
  CHECK_FALSE(signer.key().verify(scheme, kMessage, ByteView(signer.good[1]).first(95)));
}

TEST_CASE("of the keys with tables the least recently used is forgotten, and starts again") {
  if (!EcdsaTable::useful(Curve::kP384)) return;
  const Group group(Curve::kP384);
  KnownKeys known(Curve::kP384, kRule);
  std::vector<Bytes> points;
  for (int i = 0; i < 5; ++i) points.push_back(random_point(group));
  for (const Bytes& point : points) {
    CHECK(known.use(point) == nullptr);
    CHECK(known.use(point) == nullptr);
    CHECK(known.use(point) != nullptr);
    CHECK(known.use(points.front()) != nullptr);
  }
  CHECK(known.figures().tables == 4);
  CHECK(known.figures().counted == 0);
  CHECK(known.figures().made == 5);
  for (const std::size_t kept : {0U, 2U, 3U, 4U}) CHECK(known.use(points[kept]) != nullptr);
  CHECK(known.use(points[1]) == nullptr);
  CHECK(known.figures().counted == 1);
}

TEST_CASE("new keys without end cost no other key its table, and no table is made for them") {
  if (!EcdsaTable::useful(Curve::kP384)) return;
  KnownKeys known(Curve::kP384, kRule);
  const Bytes point = random_point(Group(Curve::kP384));
  for (int i = 0; i < 3; ++i) (void)known.use(point);
  for (std::uint32_t number = 0; number < 10'000; ++number) {
    CHECK(known.use(no_point(number)) == nullptr);
    CHECK(known.use(no_point(number)) == nullptr);
  }
  CHECK(known.figures().made == 1);
  CHECK(known.figures().counted == kRule.counted);
  CHECK(known.use(point) != nullptr);
}

TEST_CASE("no more tables are made than one for every so many uses, in whatever order keys come") {
  if (!EcdsaTable::useful(Curve::kP384)) return;
  const Group group(Curve::kP384);
  std::vector<Bytes> points;
  for (int i = 0; i < 20; ++i) points.push_back(random_point(group));
  for (const std::size_t in_turn : {1U, 3U, 5U, 8U, 9U, 20U}) {
    KnownKeys known(Curve::kP384, kRule);
    std::uint64_t uses = 0;
    for (int round = 0; round < 12; ++round) {
      for (std::size_t i = 0; i < in_turn; ++i, ++uses) (void)known.use(points[i]);
    }
    CHECK(known.figures().made <= uses / (kRule.uses + 1));
    CHECK(known.figures().tables <= kRule.tables);
    CHECK(known.figures().counted <= kRule.counted);
  }
}

TEST_CASE("what cannot have a table is left to EVP, and not tried at every use") {
  if (!EcdsaTable::useful(Curve::kP384)) return;
  KnownKeys known(Curve::kP384, kRule);
  for (int i = 0; i < 100; ++i) CHECK(known.use(no_point(1)) == nullptr);
  CHECK(known.figures().made == 0);
  CHECK(known.figures().counted == 1);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnHeap = false;  // Theirs is not measured by mallinfo2().
#else
constexpr bool kOwnHeap = true;
#endif

std::size_t taken() {
  const auto heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

TEST_CASE("the P-384 keys that a process knows take less than 2 MiB" * doctest::skip(!kOwnHeap)) {
  KnownKeys* const known = KnownKeys::of(Curve::kP384);
  if (known == nullptr) return;
  const Group group(Curve::kP384);
  const auto before = taken();
  for (std::uint32_t i = 0; i < 500; ++i) {
    const Bytes point = random_point(group);
    for (int use = 0; use < 3; ++use) (void)known->use(point);
  }
  for (std::uint32_t i = 0; i < 5'000; ++i) (void)known->use(no_point(i));
  CHECK(taken() - before < std::size_t{2} * 1024 * 1024);
  CHECK(known->figures().tables == 256);
  CHECK(known->figures().counted == 1024);
}

namespace {

/// Uses until there is a table; false when there is none after all that time.
bool becomes_known(KnownKeys& known, const Bytes& point) {
  for (int use = 0; use < 3'000; ++use) {
    if (known.use(point) != nullptr) return true;
    if (use > 1'000) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::chrono::nanoseconds time_of_this_thread() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

TEST_CASE("the P-256 keys that a process knows take less than 2 MiB, and no time of the thread that verifies") {
  KnownKeys* const known = KnownKeys::of(Curve::kP256);
  if (known == nullptr) return;
  const Group group(Curve::kP256);
  const auto before = taken();
  const auto made = known->figures().made;
  for (int i = 0; i < 10; ++i) {
    const Bytes point = random_point(group);
    const auto start = time_of_this_thread();
    CHECK(becomes_known(*known, point));
    // A table takes 20 ms.
    CHECK(time_of_this_thread() - start < std::chrono::milliseconds(kOwnHeap ? 10 : 100));
  }
  CHECK(known->figures().made == made + 10);
  CHECK(known->figures().tables == 8);
  if (kOwnHeap) CHECK(taken() - before < std::size_t{2} * 1024 * 1024);
}

TEST_CASE("one table at a time is made by a helper, and what is due meanwhile has its turn later") {
  if (!EcdsaTable::useful(Curve::kP256)) return;
  const Group group(Curve::kP256);
  static KnownKeys* const known =  // never destroyed, as it is used by the helper
      new KnownKeys(Curve::kP256, {.uses = 2, .tables = 2, .counted = 8, .on_helper = true});
  std::vector<Bytes> points;
  for (int i = 0; i < 3; ++i) points.push_back(random_point(group));
  points.push_back(no_point(1));
  for (int use = 0; use < 3; ++use) {
    for (const Bytes& point : points) CHECK(known->use(point) == nullptr);
  }
  CHECK(known->figures().made <= 1);
  for (int i = 0; i < 3; ++i) CHECK(becomes_known(*known, points[static_cast<std::size_t>(i)]));
  CHECK(known->figures().made == 3);
  CHECK(known->figures().tables == 2);
  CHECK(known->use(points[3]) == nullptr);
}

TEST_CASE("a P-256 key's verdicts are right before, while and after its table is made") {
  const Group group(Curve::kP256);
  const Signer signer(group, Curve::kP256);
  KnownKeys* const known = KnownKeys::of(Curve::kP256);
  const auto made = known == nullptr ? 0 : known->figures().made;
  const PublicKey key = signer.key();
  bool right = true;
  for (int i = 0; i < 400; ++i) right = signer.verdicts(key) && right;
  CHECK(right);
  if (known == nullptr) return;
  CHECK(becomes_known(*known, signer.point));
  CHECK(known->figures().made == made + 1);
  CHECK(signer.verdicts(key));
  CHECK(signer.verdicts(signer.key()));
}

TEST_CASE("many threads at once verify by the same keys while those become known and are forgotten") {
  for (const Curve curve : kCurves) {
    const Group group(curve);
    std::vector<Signer> signers;
    for (int i = 0; i < 6; ++i) signers.emplace_back(group, curve);
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (unsigned i = 0; i < 12; ++i) {
          const Signer& signer = signers[(i + thread) % signers.size()];
          if (!signer.verdicts(signer.key())) ++wrong;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
  }
  if (!EcdsaTable::useful(Curve::kP384)) return;
  const Group group(Curve::kP384);
  KnownKeys known(Curve::kP384, kRule);
  std::vector<Signer> signers;
  for (int i = 0; i < 6; ++i) signers.emplace_back(group, Curve::kP384);
  const Digest digest(Hash::kSha384, kMessage);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (unsigned i = 0; i < 60; ++i) {
        const Signer& signer = signers[(i / 4 + thread) % signers.size()];
        const auto table = known.use(signer.point);
        if (!table) continue;
        const ByteView signature = i % 2 == 0 ? signer.good[1] : signer.bad[1];
        if (table->verify(digest.bytes(), signature.first(48), signature.subspan(48)) != (i % 2 == 0)) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(known.figures().made > 6);
}
