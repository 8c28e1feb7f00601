#include "engine/sync/tag_table.h"

#include <algorithm>
#include <functional>

namespace transship::engine {

std::string_view TagTable::tag(std::uint32_t index) const {
  const std::uint32_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(names_).substr(begin, ends_[index] - begin);
}

// Where it is, or would be.
std::size_t TagTable::slot_of(std::string_view tag) const {
  const std::size_t mask = slots_.size() - 1;
  const std::size_t hash = std::hash<std::string_view>{}(tag);
  std::size_t slot = hash & mask;
  while (slots_[slot] != 0 && this->tag(slots_[slot] - 1) != tag) slot = (slot + 1) & mask;
  return slot;
}

std::optional<std::uint32_t> TagTable::find(std::string_view tag) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint32_t entry = slots_[slot_of(tag)];
  return entry == 0 ? std::nullopt : std::optional(entry - 1);
}

bool TagTable::add(std::string_view tag, const std::optional<oci::Digest>& digest) {
  if (4 * (size() + 1) > 3 * slots_.size()) grow();
  const std::size_t slot = slot_of(tag);
  if (slots_[slot] != 0) return false;
  names_ += tag;
  ends_.push_back(static_cast<std::uint32_t>(names_.size()));
  slots_[slot] = static_cast<std::uint32_t>(size());
  if (digest) keep(*digest);
  return true;
}

void TagTable::grow() {
  slots_.assign(std::max<std::size_t>(16, 2 * slots_.size()), 0);
  for (std::uint32_t index = 0; index < size(); ++index) slots_[slot_of(tag(index))] = index + 1;
}

// Of the tag that was added last.
void TagTable::keep(const oci::Digest& digest) {
  if (digest.algorithm() != oci::Algorithm::kSha256) {
    long_digests_.emplace(static_cast<std::uint32_t>(size() - 1), digest);
    return;
  }
  digests_.resize(size());
  std::ranges::copy(digest.bytes(), digests_.back().begin());
}

std::optional<oci::Digest> TagTable::digest(std::uint32_t index) const {
  if (const auto found = long_digests_.find(index); found != long_digests_.end()) {
    return found->second;
  }
  if (index >= digests_.size() || digests_[index] == Packed{}) return std::nullopt;
  return oci::Digest::from_bytes(oci::Algorithm::kSha256, digests_[index]);
}

}  // namespace transship::engine
