#include "config/place_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/by_host.h"
#include "oci/glob.h"

namespace transship::config {

namespace {

// Whether the job takes what lies at `place`: a repository below its source, "host/name".
bool takes(const JobConfig& job, const std::string& place) {
  if (!place.starts_with(job.source + "/")) return false;
  const std::string name = place.substr(job.source.size() + 1);
  const auto matches = [&](const std::string& glob) { return oci::glob_matches(glob, name); };
  const auto& [include, exclude] = job.repositories;
  return (include.empty() || std::ranges::any_of(include, matches)) &&
         std::ranges::none_of(exclude, matches);
}

// What is renamed within the source, and would be taken and renamed again: "app/" to "app/old/".
const Rename* nesting_rename(const JobConfig& job, const std::string& target) {
  if (target != job.source) return nullptr;
  const auto found = std::ranges::find_if(job.renames, [&](const Rename& one) {
    const bool prefix = one.from.empty() || one.from.ends_with('/');
    return prefix && one.to != one.from && one.to.starts_with(one.from) &&
           takes(job, target + "/" + one.to + "x");
  });
  return found == job.renames.end() ? nullptr : &*found;
}

// A target that is its own source, lies within it, or is named twice.
void check_overlap(const TomlTable& table, const JobConfig& job) {
  std::set<std::string> seen;
  for (const auto& target : job.targets) {
    if (target == job.source && job.renames.empty()) {
      table.complain("targets", fmt::format("{} is the job's own source", target));
    }
    if (!seen.insert(target).second) {
      table.complain("targets", fmt::format("{} is named twice", target));
    }
    // Any repository there stands for all.
    if (target != job.source && takes(job, target + "/x")) {
      table.complain("targets",
                     fmt::format("{} lies within the source, so that a pass would copy its own "
                                 "result: exclude it in repositories",
                                 target));
    }
    if (const Rename* rename = nesting_rename(job, target)) {
      table.complain("targets",
                     fmt::format("{} is the source, and what is renamed to '{}' would be renamed "
                                 "again by the next pass: exclude it in repositories",
                                 target, rename->to));
    }
  }
}

std::string_view host_of(std::string_view place) { return place.substr(0, place.find('/')); }

void check_connections(const TomlTable& table, const JobConfig& job, const Config& config) {
  const std::string host(host_of(job.source));
  const auto* registry = of_host(config.registries, host);
  if (registry == nullptr) return;
  const std::size_t most = registry->second.max_connections;
  if (most == 0 || most >= kConnectionsWithinHost) return;
  for (const auto& target : job.targets) {
    if (host_of(target) != host) continue;
    table.complain("targets",
                   fmt::format("{} is the source's host, and copies within it need {} connections: "
                               "raise registry.\"{}\".max_connections",
                               target, kConnectionsWithinHost, registry->first));
  }
}

// Jobs of which each reads what the one before writes, and the first what the last one writes:
// where one of them puts it elsewhere than where it came from, each pass would nest it deeper.
class Circle {
 public:
  /// `job` is the first; the others are read already.
  Circle(const TomlTable& table, const JobConfig& job, const std::vector<JobConfig>& others)
      : table_(table), job_(job), others_(others) {}

  void check() {
    for (const auto& target : job_.targets) follow(target, false);
  }

 private:
  // What lies at `place`: who reads it, and where that leads.
  void follow(const std::string& place, bool elsewhere) {
    for (const JobConfig& other : others_) {
      const bool nested = elsewhere || place != other.source;
      if (place != other.source && !takes(other, place + "/x")) continue;
      if (!seen_.insert({&other, nested}).second) continue;
      way_.push_back(&other.name);
      for (const auto& next : other.targets) {
        if (next == job_.source ? nested : takes(job_, next + "/x")) complain(next);
        follow(next, nested);
      }
      way_.pop_back();
    }
  }
  void complain(const std::string& back) const {
    std::string way;
    for (const auto* name : way_) way += (way.empty() ? "" : ", then by ") + *name;
    table_.complain("targets", fmt::format("what is written there is read by job {}, which writes "
                                           "to {}, from where this job reads: each pass would nest "
                                           "it deeper; exclude it in repositories",
                                           way, back));
  }

  const TomlTable& table_;
  const JobConfig& job_;
  const std::vector<JobConfig>& others_;
  std::set<std::pair<const JobConfig*, bool>> seen_;
  std::vector<const std::string*> way_;
};

}  // namespace

void check_places(const TomlTable& table, const JobConfig& job, const Config& config) {
  check_overlap(table, job);
  check_connections(table, job, config);
  Circle(table, job, config.jobs).check();
}

}  // namespace transship::config
