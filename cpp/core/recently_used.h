// A bounded memory that forgets what was not used for longest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <list>
#include <map>
#include <utility>

#include "core/bytes.h"

namespace cga {

/// Values by byte strings, at most `limit` of them. Not for two threads at once.
template <typename Value>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(std::size_t limit) noexcept : limit_(limit) {}

  /// Null when it is not there.
  [[nodiscard]] Value* find(ByteView key) noexcept {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->value;
  }

  /// In place of the one that was not used for longest, where there is no room. `key` must not be there yet.
  Value& add(ByteView key, Value value) {
    std::list<Entry> entry;
    entry.push_front({Bytes(key.begin(), key.end()), std::move(value)});
    index_.emplace(entry.front().key, entry.begin());
    entries_.splice(entries_.begin(), entry);
    if (entries_.size() > limit_) remove(entries_.back().key);
    return entries_.front().value;
  }

  void remove(ByteView key) noexcept {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    const auto entry = found->second;
    index_.erase(found);
    entries_.erase(entry);
  }

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  struct Entry {
    Bytes key;
    Value value;
  };
  /// By order and not by a hash: whoever chooses keys could choose them to collide.
  struct Before {
    bool operator()(ByteView one, ByteView other) const noexcept {
      return std::lexicographical_compare(one.begin(), one.end(), other.begin(), other.end());
    }
  };

  std::size_t limit_;
  std::list<Entry> entries_;                                               ///< most recently used first
  std::map<ByteView, typename std::list<Entry>::iterator, Before> index_;  ///< views of the keys of the entries
};

}  // namespace cga
