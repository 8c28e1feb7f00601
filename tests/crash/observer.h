#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "crash/world.h"

namespace transship::crash {

/// Looks at a target all the while, as an admission controller would: whenever a tag is there, all
/// of its graph and all of its evidence must be. Past the proxy, in a thread of its own. Between
/// two looks it rests four times as long as a look takes: else the registry works for it alone.
class Observer {
 public:
  Observer(const RealRegistry& registry, const std::vector<Artifact>& artifacts, Kind kind);
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  ~Observer();

  /// Stops looking; what it saw that must not be, "" if nothing.
  std::string stop();
  /// Tags that it found complete.
  std::size_t seen() const { return seen_; }

 private:
  void look_all_the_while();
  void look_at(const Artifact& artifact);
  test::RawAnswer ask(std::string_view method, const std::string& target) const;
  std::string missing(const Artifact& artifact) const;
  std::string missing_manifest(const Artifact& artifact, const test::TestManifest& manifest) const;

  test::RawHttp registry_;
  const std::vector<Artifact>& artifacts_;
  Kind kind_;
  std::set<const Artifact*> complete_;
  std::string violations_;
  mutable bool unanswered_ = false;  ///< Part of the last look had no answer that counts.
  std::atomic<std::size_t> seen_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;  // Last: it uses what stands above.
};

}  // namespace transship::crash
