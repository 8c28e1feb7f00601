#include "engine/graph/presence.h"

#include <algorithm>

namespace transship::engine {

const Presence::Entry* Presence::Store::find(const oci::Digest& digest) const {
  const auto entry = entries.find(digest);
  return entry == entries.end() ? nullptr : &entry->second;
}

std::optional<Presence::Number> Presence::Store::number(const std::string& repository) const {
  const auto found = numbers.find(repository);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

Presence::Number Presence::Store::numbered(const std::string& repository) {
  const auto [at, added] = numbers.try_emplace(repository, static_cast<Number>(names.size()));
  if (added) names.push_back(&at->first);
  return at->second;
}

const Presence::Store* Presence::store_of(const oci::RepositoryId& where) const {
  const auto store = stores_.find(where.store);
  return store == stores_.end() ? nullptr : &store->second;
}

Presence::State Presence::at(const oci::RepositoryId& where, const oci::Digest& digest) const {
  const Store* store = store_of(where);
  const Entry* entry = store == nullptr ? nullptr : store->find(digest);
  if (entry == nullptr) return State::kUnknown;
  const std::optional<Number> repository = store->number(where.repository);
  for (const Holder& holder : entry->holders) {
    if (holder.repository == repository) return holder.state;
  }
  return State::kUnknown;
}

std::size_t Presence::size() const {
  std::size_t sum = 0;
  for (const auto& [name, store] : stores_) sum += store.entries.size();
  return sum;
}

// Half of the room is for what was touched last: what is in flight, or was just looked at, stays.
void Presence::trim() {
  if (touches_ - trimmed_at_ < most_ / 2) return;
  trimmed_at_ = touches_;
  if (size() <= most_) return;
  for (auto& [name, store] : stores_) {
    std::erase_if(store.entries, [&](const auto& one) {
      const Entry& entry = one.second;
      const bool idle = !store.awaited.contains(one.first) &&
                        std::ranges::none_of(entry.holders, [](const Holder& each) {
                          return each.state == State::kComing;
                        });
      return idle && entry.touched + most_ / 2 < touches_;
    });
  }
}

void Presence::set(const oci::RepositoryId& where, const oci::Digest& digest, State state) {
  trim();
  Store& store = stores_[where.store];
  const Number repository = store.numbered(where.repository);
  Entry& entry = store.entries[digest];
  entry.touched = ++touches_;
  const auto holder = std::ranges::find(entry.holders, repository, &Holder::repository);
  if (holder == entry.holders.end()) {
    entry.holders.push_back({.repository = repository, .state = state});
  } else {
    holder->state = state;
  }
  // Whoever waits holds the event: it need not stay in the table.
  if (const auto waits = store.awaited.extract(digest)) waits.mapped()->notify_all();
}

bool Presence::claim(const oci::RepositoryId& where, const oci::Digest& digest) {
  if (at(where, digest) != State::kUnknown) return false;
  set(where, digest, State::kComing);
  return true;
}

void Presence::arrived(const oci::RepositoryId& where, const oci::Digest& digest) {
  set(where, digest, State::kHere);
}

void Presence::failed(const oci::RepositoryId& where, const oci::Digest& digest) {
  set(where, digest, State::kUnknown);
}

void Presence::forget(const oci::RepositoryId& where, const oci::Digest& digest) {
  if (at(where, digest) == State::kHere) set(where, digest, State::kUnknown);
}

void Presence::forget_repository(const oci::RepositoryId& where) {
  const auto at = stores_.find(where.store);
  if (at == stores_.end()) return;
  Store& store = at->second;
  const std::optional<Number> repository = store.number(where.repository);
  if (!repository) return;
  for (auto it = store.entries.begin(); it != store.entries.end();) {
    auto& holders = it->second.holders;
    const auto held = std::ranges::find(holders, *repository, &Holder::repository);
    if (held != holders.end()) holders.erase(held);
    it = holders.empty() ? store.entries.erase(it) : std::next(it);
  }
}

std::optional<std::string> Presence::sibling(const oci::RepositoryId& where,
                                             const oci::Digest& digest) const {
  const Store* store = store_of(where);
  const Entry* entry = store == nullptr ? nullptr : store->find(digest);
  if (entry == nullptr) return std::nullopt;
  const std::optional<Number> own = store->number(where.repository);
  for (const Holder& holder : entry->holders) {
    if (holder.state == State::kHere && holder.repository != own) {
      return *store->names[holder.repository];
    }
  }
  return std::nullopt;
}

bool Presence::coming_to_sibling(const oci::RepositoryId& where, const oci::Digest& digest) const {
  const Store* store = store_of(where);
  const Entry* entry = store == nullptr ? nullptr : store->find(digest);
  if (entry == nullptr) return false;
  const std::optional<Number> own = store->number(where.repository);
  return std::ranges::any_of(entry->holders, [&](const Holder& each) {
    return each.state == State::kComing && each.repository != own;
  });
}

Task<Result<void>> Presence::changed(const oci::RepositoryId& where, const oci::Digest& digest) {
  Executor executor = co_await current_executor();
  std::shared_ptr<Event>& slot = stores_[where.store].awaited[digest];
  if (!slot) slot = std::make_shared<Event>(std::move(executor));
  std::shared_ptr<Event> event = slot;
  co_return co_await event->wait();
}

}  // namespace transship::engine
