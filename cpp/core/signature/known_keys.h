// Which public keys are verified with a table: those that were seen before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "core/bytes.h"
#include "core/recently_used.h"
#include "core/signature/curve.h"
#include "core/signature/ecdsa_table.h"

namespace cga::signature {

/// The public keys of one curve that this process has verified signatures with, whether those were good or not. For any
/// number of threads at once.
///
/// Nobody knows whether a key will be seen again. So EVP verifies until a table would have saved what it costs, and
/// then it is made. Whatever keys are sent in whatever order, the time stays within (table - saving) / (uses + 1) of
/// that of EVP alone: 5 % for P-384. What is counted and what has a table is forgotten apart from each other: keys that
/// are sent once or twice do not cost another one its table, and with all tables lost the speed is EVP's.
class KnownKeys {
 public:
  struct Rule {
    std::uint32_t uses;   ///< verifications before a table is made
    std::size_t tables;   ///< keys with one, at most
    std::size_t counted;  ///< keys without, at most: some 300 bytes each
    bool on_helper;       ///< made on another thread, while EVP verifies; such an object is never destroyed
  };
  struct Figures {
    std::size_t tables;
    std::size_t counted;
    std::uint64_t made;  ///< tables, since the start
  };

  /// The process's own; null where a table is not useful. Never destroyed: threads may use it when the process ends.
  [[nodiscard]] static KnownKeys* of(Curve curve);

  KnownKeys(Curve curve, const Rule& rule) noexcept
      : curve_(curve), rule_(rule), tables_(rule.tables), counted_(rule.counted) {}

  /// Counts a verification by this key. Its table, or null where EVP is to verify.
  /// @param point the key, uncompressed and on the curve
  [[nodiscard]] std::shared_ptr<const EcdsaTable> use(ByteView point) noexcept;

  [[nodiscard]] Figures figures() const;

 private:
  /// Whether its table is to be made now, by the caller.
  [[nodiscard]] bool is_due(ByteView point);
  [[nodiscard]] std::shared_ptr<const EcdsaTable> make(ByteView point) noexcept;
  void ended() noexcept;

  const Curve curve_;
  const Rule rule_;
  mutable std::mutex mutex_;
  RecentlyUsed<std::shared_ptr<const EcdsaTable>> tables_;
  RecentlyUsed<std::uint32_t> counted_;  ///< rule_.uses + 1 while a table is made, and where none can be
  bool making_ = false;                  ///< one at a time
  std::uint64_t made_ = 0;
};

}  // namespace cga::signature
