#include "core/signature/ecdsa_table.h"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "test/signature/ecdsa.h"

using cga::Bytes;
using cga::ByteView;
using cga::signature::Curve;
using cga::signature::EcdsaTable;
using cga::test::Group;
using cga::test::number;
using cga::test::Number;
using cga::test::Point;
using cga::test::RawSignature;

namespace {

constexpr std::array<std::size_t, 3> kDigests{32, 48, 64};

/// A key that both verify with: by its table, where there is one, and by EVP.
class Both {
 public:
  Both(const Group& group, Curve curve, const EC_POINT* key)
      : group_(group), point_(group.encoded(key)), table_(EcdsaTable::make(curve, point_)) {}

  [[nodiscard]] bool has_table() const noexcept { return table_ != nullptr; }

  /// EVP's verdict, which is the table's as well.
  bool verify(ByteView digest, const RawSignature& signature) const {
    const bool expected = group_.evp_verifies(point_, digest, signature);
    if (table_) {
      const auto verdict = table_->verify(digest, signature.r, signature.s);
      REQUIRE(verdict.has_value());
      REQUIRE(*verdict == expected);
    }
    return expected;
  }

 private:
  const Group& group_;
  Bytes point_;
  std::shared_ptr<const EcdsaTable> table_;
};

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return engine_() % limit; }
  Bytes bytes(std::size_t size) {
    Bytes result(size);
    for (auto& byte : result) byte = static_cast<std::uint8_t>(engine_());
    return result;
  }

 private:
  std::mt19937_64 engine_;
};

/// How often what follows is repeated for each curve and hash; ECDSA_SIGNATURES=20000 for a long run.
std::size_t signatures(Curve curve) {
  const char* const count = std::getenv("ECDSA_SIGNATURES");
  return count != nullptr ? std::strtoul(count, nullptr, 10) : curve == Curve::kP384 ? 400 : 2000;
}

void flip(Bytes& bytes, Random& random) {
  bytes[random.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
}

/// Puts a number at a limit into a part of the signature.
void set_limit(const Group& group, Bytes& part, std::size_t which) {
  const Number one = number(1);
  Number limit(BN_dup(group.n()));
  if (which == 0) limit = number(0UL);
  if (which == 1) BN_sub(limit.get(), limit.get(), one.get());
  if (which == 2) BN_add(limit.get(), limit.get(), one.get());
  if (which == 3) limit = number(1);
  part = group.bytes(limit.get());
  if (which == 4) part.assign(part.size(), 0xff);
}

void each_curve(const std::function<void(const Group&, Curve)>& test) {
  for (const Curve curve : {Curve::kP256, Curve::kP384}) {
    const Group group(curve);
    CAPTURE(group.name());
    test(group, curve);
  }
}

}  // namespace

TEST_CASE("a table gives EVP's verdict on ECDSA signatures and on everything that is changed in them") {
  each_curve([](const Group& group, Curve curve) {
    for (const std::size_t size : kDigests) {
      Random random(static_cast<unsigned>(size));
      const Number d = group.random();
      const Both key(group, curve, group.product(d.get()).get());
      CHECK(key.has_table() == EcdsaTable::useful(curve));
      const std::size_t count = signatures(curve);
      std::size_t good = 0;
      Bytes digest;
      RawSignature original;
      for (std::size_t i = 0; i < count; ++i) {
        if (i % 10 == 0) {
          digest = random.bytes(size);
          if (i % 50 == 0) digest.assign(size, static_cast<std::uint8_t>(i % 100 == 0 ? 0x00 : 0xff));
          original = group.sign(d.get(), digest);
          REQUIRE(key.verify(digest, original));
        }
        RawSignature changed = original;
        Bytes of = digest;
        switch (random.below(10)) {
          case 0:
            break;
          case 1:
            flip(changed.r, random);
            break;
          case 2:
            flip(changed.s, random);
            break;
          case 3:
            flip(of, random);
            break;
          case 4:
            set_limit(group, changed.r, random.below(6));
            break;
          case 5:
            set_limit(group, changed.s, random.below(6));
            break;
          case 6:  // The other valid signature: (r, n - s).
            changed.s = group.bytes(group.minus(number(changed.s).get()).get());
            break;
          case 7:
            std::swap(changed.r, changed.s);
            break;
          case 8:
            changed.r = group.bytes(group.minus(number(changed.r).get()).get());
            break;
          default:
            changed.r = group.bytes(group.random().get());
        }
        good += key.verify(of, changed) ? 1 : 0;
      }
      CHECK(good > count / 20);
      CHECK(good < count / 2);
    }
  });
}

TEST_CASE("a table takes as many bits of a digest as EVP, whatever its length") {
  each_curve([](const Group& group, Curve curve) {
    Random random(1);
    const Number d = group.random();
    const Both key(group, curve, group.product(d.get()).get());
    for (std::size_t size = 1; size <= 64; ++size) {
      const Bytes digest = random.bytes(size);
      CHECK(key.verify(digest, group.sign(d.get(), digest)));
    }
  });
}

TEST_CASE("a table computes the same for every kind of scalar") {
  each_curve([](const Group& group, Curve curve) {
    std::vector<Number> scalars;
    for (unsigned long small = 0; small <= 17; ++small) {
      scalars.push_back(number(small));
      if (small > 0) scalars.push_back(group.minus(number(small).get()));
    }
    const auto bits = static_cast<int>(8 * group.field());
    for (int bit = 5; bit < bits; bit += curve == Curve::kP384 ? 7 : 3) {
      Number power = number(1);
      BN_lshift(power.get(), power.get(), bit);
      scalars.push_back(group.minus(power.get()));
      scalars.push_back(std::move(power));
    }
    for (const bool related : {false, true}) {
      // Of a key that is small in terms of G the two products meet: as equals, as opposites.
      const Number d = related ? number(2) : group.random();
      const Point point = group.product(d.get());
      const Both key(group, curve, point.get());
      const Number random = group.random();
      std::size_t good = 0;
      for (std::size_t i = 0; i < scalars.size(); ++i) {
        for (const BIGNUM* u2 : {random.get(), scalars[i].get(), scalars[(i * 7 + 3) % scalars.size()].get()}) {
          for (const BIGNUM* u1 : {random.get(), scalars[i].get(), scalars[(i * 5 + 1) % scalars.size()].get()}) {
            const Point sum = group.product(u1, point.get(), u2);
            if (BN_is_zero(u2) || group.is_infinity(sum.get())) continue;
            const Number r = group.r(sum.get());
            const Number s = group.over(r.get(), u2);
            CHECK(key.verify(group.bytes(group.times(u1, s.get()).get()), group.signature(r.get(), s.get())));
            ++good;
          }
        }
      }
      CHECK(good > 500);
    }
  });
}

TEST_CASE("a table refuses a signature whose sum is the point at infinity") {
  each_curve([](const Group& group, Curve curve) {
    Random random(2);
    for (int i = 0; i < 4; ++i) {
      const Bytes digest = random.bytes(group.field());
      const Number r = group.random();
      // u1 * G + u2 * Q = ((e + r * d) / s) * G
      const Number d = group.minus(group.over(group.e(digest).get(), r.get()).get());
      const Both key(group, curve, group.product(d.get()).get());
      CHECK_FALSE(key.verify(digest, group.signature(r.get(), group.random().get())));
    }
  });
}

TEST_CASE("a table adds two equal points") {
  each_curve([](const Group& group, Curve curve) {
    Random random(3);
    for (int i = 0; i < 4; ++i) {
      const Bytes digest = random.bytes(group.field());
      const Number e = group.e(digest);
      const Number k = group.random();
      const Number r = group.r(group.product(k.get()).get());
      // u1 * G = u2 * Q where e = r * d; and their sum is k * G.
      const Both key(group, curve, group.product(group.over(e.get(), r.get()).get()).get());
      const Number s = group.over(group.add(e.get(), e.get()).get(), k.get());
      CHECK(key.verify(digest, group.signature(r.get(), s.get())));
      CHECK_FALSE(key.verify(digest, group.signature(r.get(), group.random().get())));
    }
  });
}

TEST_CASE("a table serves the generator, its multiples and its opposite as keys") {
  each_curve([](const Group& group, Curve curve) {
    Random random(4);
    for (unsigned long small = 1; small <= 4; ++small) {
      for (const bool negative : {false, true}) {
        const Number d = negative ? group.minus(number(small).get()) : number(small);
        const Both key(group, curve, group.product(d.get()).get());
        for (int i = 0; i < 20; ++i) {
          const Bytes digest = random.bytes(group.field());
          RawSignature signature = group.sign(d.get(), digest);
          CHECK(key.verify(digest, signature));
          flip(i % 2 == 0 ? signature.r : signature.s, random);
          CHECK_FALSE(key.verify(digest, signature));
        }
      }
    }
  });
}

TEST_CASE("a table knows a point by its x, whether that is below n or not") {
  each_curve([](const Group& group, Curve curve) {
    Random random(5);
    REQUIRE(BN_cmp(group.n(), group.p()) < 0);
    for (const bool beyond : {false, true}) {
      int found = 0;
      for (unsigned long small = 1; found < 8; ++small) {
        const Number r = number(small);
        Number x = number(small);
        if (beyond) BN_add(x.get(), x.get(), group.n());
        const Point sum = group.with_x(x.get());
        if (!sum) continue;
        ++found;
        // The key by which the sum is that point: Q = (s * R - e * G) / r.
        const Bytes digest = random.bytes(group.field());
        const Number s = group.random();
        const Number of_g = group.minus(group.over(group.e(digest).get(), r.get()).get());
        const Point point = group.product(of_g.get(), sum.get(), group.over(s.get(), r.get()).get());
        const Both key(group, curve, point.get());
        CHECK(key.verify(digest, group.signature(r.get(), s.get())));
        const Number next = number(small + 1);
        CHECK_FALSE(key.verify(digest, group.signature(next.get(), s.get())));
        CHECK_FALSE(key.verify(digest, group.signature(x.get(), group.random().get())));
        // x itself is out of range where it is n or more.
        CHECK(key.verify(digest, group.signature(x.get(), s.get())) == !beyond);
      }
    }
  });
}

TEST_CASE("a table serves digests that are zero modulo n") {
  each_curve([](const Group& group, Curve curve) {
    const Number d = group.random();
    const Both key(group, curve, group.product(d.get()).get());
    for (const Bytes& digest : {Bytes(group.field()), group.bytes(group.n()), Bytes(1)}) {
      RawSignature signature = group.sign(d.get(), digest);
      CHECK(key.verify(digest, signature));
      signature.s.back() ^= 1U;
      CHECK_FALSE(key.verify(digest, signature));
    }
  });
}

TEST_CASE("a table is made of a point on the curve only, and never for P-521") {
  const Group group(Curve::kP384);
  Bytes point = group.encoded(group.product(group.random().get()).get());
  CHECK((EcdsaTable::make(Curve::kP384, point) != nullptr) == EcdsaTable::useful(Curve::kP384));
  point.back() ^= 1U;
  CHECK(EcdsaTable::make(Curve::kP384, point) == nullptr);
  CHECK(EcdsaTable::make(Curve::kP384, {}) == nullptr);
  CHECK(EcdsaTable::make(Curve::kP384, Bytes(1)) == nullptr);  // the point at infinity
  CHECK_FALSE(EcdsaTable::useful(Curve::kP521));
  const Group larger(Curve::kP521);
  CHECK(EcdsaTable::make(Curve::kP521, larger.encoded(larger.product(number(2).get()).get())) == nullptr);
}

TEST_CASE("where a table is said to be useful it is faster than EVP") {
  each_curve([](const Group& group, Curve curve) {
    if (!EcdsaTable::useful(curve)) return;
    const Number d = group.random();
    const Bytes point = group.encoded(group.product(d.get()).get());
    const auto table = EcdsaTable::make(curve, point);
    REQUIRE(table);
    const Bytes digest = Random(6).bytes(32);
    const RawSignature signature = group.sign(d.get(), digest);
    using Clock = std::chrono::steady_clock;
    Clock::duration with = Clock::duration::max();
    Clock::duration without = Clock::duration::max();
    for (int i = 0; i < 200; ++i) {
      const auto start = Clock::now();
      REQUIRE(group.evp_verifies(point, digest, signature));
      const auto middle = Clock::now();
      REQUIRE(table->verify(digest, signature.r, signature.s) == true);
      without = std::min(without, middle - start);
      with = std::min(with, Clock::now() - middle);
    }
    CHECK(with < without);
  });
}
