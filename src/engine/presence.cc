#include "engine/presence.h"

#include <algorithm>

namespace transship::engine {

const Presence::Entry* Presence::find(const oci::RepositoryId& where,
                                      const oci::Digest& digest) const {
  auto store = stores_.find(where.store);
  if (store == stores_.end()) return nullptr;
  auto entry = store->second.find(digest);
  return entry == store->second.end() ? nullptr : &entry->second;
}

Presence::State Presence::at(const oci::RepositoryId& where, const oci::Digest& digest) const {
  const Entry* entry = find(where, digest);
  if (entry == nullptr) return State::kUnknown;
  for (const auto& [repository, state] : entry->repositories) {
    if (repository == where.repository) return state;
  }
  return State::kUnknown;
}

std::size_t Presence::size() const {
  std::size_t sum = 0;
  for (const auto& [store, entries] : stores_) sum += entries.size();
  return sum;
}

// Half of the room is for what was touched last: what is in flight, or was just looked at, stays.
void Presence::trim() {
  if (touches_ - trimmed_at_ < most_ / 2) return;
  trimmed_at_ = touches_;
  if (size() <= most_) return;
  for (auto& [store, entries] : stores_) {
    for (auto it = entries.begin(); it != entries.end();) {
      const Entry& entry = it->second;
      const bool idle =
          !entry.changed && std::ranges::none_of(entry.repositories, [](const auto& r) {
            return r.second == State::kComing;
          });
      const bool old = entry.touched + most_ / 2 < touches_;
      it = idle && old ? entries.erase(it) : std::next(it);
    }
  }
}

void Presence::set(const oci::RepositoryId& where, const oci::Digest& digest, State state) {
  trim();
  Entry& entry = stores_[where.store][digest];
  entry.touched = ++touches_;
  auto it = std::ranges::find(entry.repositories, where.repository,
                              &std::pair<std::string, State>::first);
  if (it == entry.repositories.end()) {
    entry.repositories.emplace_back(where.repository, state);
  } else {
    it->second = state;
  }
  if (entry.changed) {
    // Whoever waits holds the event: it need not stay in the table.
    std::exchange(entry.changed, nullptr)->notify_all();
  }
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
  auto store = stores_.find(where.store);
  if (store == stores_.end()) return;
  for (auto it = store->second.begin(); it != store->second.end();) {
    Entry& entry = it->second;
    std::erase_if(entry.repositories,
                  [&](const auto& held) { return held.first == where.repository; });
    const bool gone = entry.repositories.empty() && !entry.changed;
    it = gone ? store->second.erase(it) : std::next(it);
  }
}

std::optional<std::string> Presence::sibling(const oci::RepositoryId& where,
                                             const oci::Digest& digest) const {
  const Entry* entry = find(where, digest);
  if (entry == nullptr) return std::nullopt;
  for (const auto& [repository, state] : entry->repositories) {
    if (state == State::kHere && repository != where.repository) return repository;
  }
  return std::nullopt;
}

bool Presence::coming_to_sibling(const oci::RepositoryId& where, const oci::Digest& digest) const {
  const Entry* entry = find(where, digest);
  return entry != nullptr && std::ranges::any_of(entry->repositories, [&](const auto& one) {
           return one.second == State::kComing && one.first != where.repository;
         });
}

Task<Result<void>> Presence::changed(const oci::RepositoryId& where, const oci::Digest& digest) {
  Executor executor = co_await current_executor();
  std::shared_ptr<Event>& slot = stores_[where.store][digest].changed;
  if (!slot) slot = std::make_shared<Event>(std::move(executor));
  std::shared_ptr<Event> event = slot;
  co_return co_await event->wait();
}

}  // namespace transship::engine
