#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/event.h"

namespace transship::engine {

/// Asks once for what many want at the same time: the first caller of a key fetches, the others
/// wait for its answer. Answers are kept for the life of the object where `keep` is set, else only
/// until all who waited have them. Errors are never kept, but shared with those who waited; a
/// fetch that was cancelled is taken over by one of them. On the control shard.
template <class Key, class Value>
class SingleFlight {
 public:
  explicit SingleFlight(bool keep) : keep_(keep) {}

  [[nodiscard]] Task<Result<Value>> get(Key key, std::function<Task<Result<Value>>()> fetch) {
    while (true) {
      auto found = cells_.find(key);
      if (found == cells_.end()) break;
      std::shared_ptr<Cell> cell = found->second;
      while (!cell->answer) TS_CO_TRY(co_await cell->answered.wait());
      if (*cell->answer || cell->answer->error().code != Errc::kCancelled) co_return *cell->answer;
    }
    auto cell = std::make_shared<Cell>(co_await current_executor());
    cells_.emplace(key, cell);
    cell->answer = co_await fetch();
    if (!keep_ || !*cell->answer) cells_.erase(key);
    cell->answered.notify_all();
    co_return *cell->answer;
  }

  /// What is kept of `key`.
  const Value* kept(const Key& key) const {
    auto found = cells_.find(key);
    if (found == cells_.end() || !found->second->answer || !*found->second->answer) return nullptr;
    return &**found->second->answer;
  }

 private:
  struct Cell {
    explicit Cell(const Executor& executor) : answered(executor) {}
    std::optional<Result<Value>> answer;
    Event answered;
  };

  bool keep_;
  std::unordered_map<Key, std::shared_ptr<Cell>> cells_;
};

}  // namespace transship::engine
