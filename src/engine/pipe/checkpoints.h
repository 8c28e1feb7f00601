#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "oci/hasher.h"

namespace transship::engine {

/// Hash states of one body along its way, in order: where a reader may start anew. All that was
/// hashed before a state is what the state stands for: whoever goes on from it proves, at the end,
/// the bytes before it too. About 220 bytes each.
class Checkpoints {
 public:
  void add(const oci::HashState& state) {
    const auto at = std::ranges::lower_bound(states_, state.length, {}, &oci::HashState::length);
    if (at == states_.end() || at->length != state.length) states_.insert(at, state);
  }
  /// The newest at or before `offset`; nothing: start from zero.
  std::optional<oci::HashState> at_or_before(std::uint64_t offset) const {
    const auto at = std::ranges::upper_bound(states_, offset, {}, &oci::HashState::length);
    if (at == states_.begin()) return std::nullopt;
    return *std::prev(at);
  }
  std::optional<oci::HashState> at_or_after(std::uint64_t offset) const {
    const auto at = std::ranges::lower_bound(states_, offset, {}, &oci::HashState::length);
    if (at == states_.end()) return std::nullopt;
    return *at;
  }
  void drop_after(std::uint64_t offset) {
    states_.erase(std::ranges::upper_bound(states_, offset, {}, &oci::HashState::length),
                  states_.end());
  }
  /// False: both have a state at some length, and these differ.
  bool agrees_with(const Checkpoints& other) const;
  /// Drops what `other` does not have too.
  void keep_common(const Checkpoints& other);
  /// Those behind `offset`, in order.
  std::vector<oci::HashState> after(std::uint64_t offset) const {
    return {std::ranges::upper_bound(states_, offset, {}, &oci::HashState::length), states_.end()};
  }
  void clear() { states_.clear(); }
  std::size_t size() const { return states_.size(); }

 private:
  std::vector<oci::HashState> states_;
};

/// Whether two states stand for the same bytes.
inline bool same_state(const oci::HashState& a, const oci::HashState& b) {
  if (a.algorithm != b.algorithm || a.length != b.length || a.words != b.words) return false;
  const std::size_t block = a.algorithm == oci::Algorithm::kSha256 ? 64 : 128;
  const auto tail = static_cast<std::ptrdiff_t>(a.length % block);
  return std::equal(a.tail.begin(), a.tail.begin() + tail, b.tail.begin());
}

inline bool Checkpoints::agrees_with(const Checkpoints& other) const {
  return std::ranges::all_of(states_, [&](const oci::HashState& state) {
    const auto theirs = other.at_or_after(state.length);
    return !theirs || theirs->length != state.length || same_state(*theirs, state);
  });
}

inline void Checkpoints::keep_common(const Checkpoints& other) {
  std::erase_if(states_, [&](const oci::HashState& state) {
    const auto theirs = other.at_or_after(state.length);
    return !theirs || !same_state(*theirs, state);
  });
}

/// Where a body's reading starts, and what is known of the bytes before.
struct Lineage {
  oci::HashState start;  ///< Its length is the offset of the first byte to read.
  Checkpoints trail;     ///< States at or before the start.
  /// The target holds bytes behind `start` that an earlier reading gave it. That reading's state at
  /// or behind the last of them: if this reading comes to another one there, the two differ, and
  /// what the target holds cannot be trusted.
  std::optional<oci::HashState> witness;

  static Lineage from_zero(oci::Algorithm algorithm) {
    return {.start = oci::HashState::initial(algorithm), .trail = {}, .witness = std::nullopt};
  }
};

}  // namespace transship::engine
