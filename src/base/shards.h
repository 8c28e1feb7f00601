#pragma once

#include <cstddef>
#include <memory>

#include "base/task.h"

namespace transship {

/// The program's event loops: one thread and one single-threaded io_context each.
///
/// Shard 0 is the control shard; it runs in the thread that calls `run`. Transfers are placed on
/// any shard by `pick`. Objects live on one shard and take no locks.
class Shards {
 public:
  /// `count` of 0: one per CPU that the cgroup quota and the affinity mask allow, at most 8.
  explicit Shards(std::size_t count = 0);
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;
  ~Shards();

  std::size_t size() const;
  Executor control() const;
  Executor at(std::size_t index) const;

  /// The shard for a new transfer: the busiest one below 70 % of its core (interleaved hashing
  /// needs partners on one shard), else the least busy. From any thread.
  std::size_t pick() const;

  /// Runs all shards until `stop`; returns when all threads have ended.
  void run();
  /// From any thread.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// CPUs this process may use: affinity and the cgroup's quota, rounded up, at least 1.
std::size_t usable_cpus();

}  // namespace transship
