#include "core/signature/known_keys.h"

#include <new>

#include "core/crypto/worker_pool.h"

namespace cga::signature {
namespace {

// A table takes 0.26 ms and 5 KiB and saves 0.19 ms of 0.53 ms each time. Below 2 MiB with all that is counted.
constexpr KnownKeys::Rule kP384{.uses = 2, .tables = 256, .counted = 1024, .on_helper = false};
// 21 ms and 155 KiB, and 0.034 ms of 0.058 ms: it pays after 620 uses, and event loops cannot wait for it. Below 2 MiB.
constexpr KnownKeys::Rule kP256{.uses = 1000, .tables = 8, .counted = 1024, .on_helper = true};

KnownKeys* make_known_keys(Curve curve, const KnownKeys::Rule& rule) {
  return EcdsaTable::useful(curve) ? new KnownKeys(curve, rule) : nullptr;
}

}  // namespace

KnownKeys* KnownKeys::of(Curve curve) {
  static KnownKeys* const p256 = make_known_keys(Curve::kP256, kP256);
  static KnownKeys* const p384 = make_known_keys(Curve::kP384, kP384);
  switch (curve) {
    case Curve::kP256:
      return p256;
    case Curve::kP384:
      return p384;
    case Curve::kP521:
      break;
  }
  return nullptr;
}

std::shared_ptr<const EcdsaTable> KnownKeys::use(ByteView point) noexcept {
  bool due = false;
  try {
    {
      const std::lock_guard lock(mutex_);
      if (const auto* table = tables_.find(point)) return *table;
      due = is_due(point);
    }
    if (!due) return nullptr;
    if (!rule_.on_helper) return make(point);
    const bool started =
        crypto::try_run_on_helper([this, copy = Bytes(point.begin(), point.end())] { (void)make(copy); });
    if (started) return nullptr;
  } catch (const std::bad_alloc&) {
    // EVP verifies without any of it.
  }
  if (due) ended();
  return nullptr;
}

std::shared_ptr<const EcdsaTable> KnownKeys::make(ByteView point) noexcept {
  std::shared_ptr<const EcdsaTable> table;
  try {
    table = EcdsaTable::make(curve_, point);
    const std::lock_guard lock(mutex_);
    if (table) {
      tables_.add(point, table);
      counted_.remove(point);
      ++made_;
    }
  } catch (const std::bad_alloc&) {
    // The table serves this once.
  }
  ended();
  return table;
}

void KnownKeys::ended() noexcept {
  const std::lock_guard lock(mutex_);
  making_ = false;
}

KnownKeys::Figures KnownKeys::figures() const {
  const std::lock_guard lock(mutex_);
  return {tables_.size(), counted_.size(), made_};
}

bool KnownKeys::is_due(ByteView point) {
  std::uint32_t* uses = counted_.find(point);
  if (uses == nullptr) uses = &counted_.add(point, 0);
  if (*uses > rule_.uses || (*uses == rule_.uses && making_)) return false;
  if ((*uses)++ < rule_.uses) return false;
  making_ = true;
  return true;
}

}  // namespace cga::signature
