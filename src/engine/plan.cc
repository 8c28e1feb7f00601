#include "engine/plan.h"

#include <algorithm>

namespace transship::engine {
namespace {

using Counts = oci::RequestCounts;

constexpr std::uint64_t Counts::* kKinds[] = {
    &Counts::manifest_get, &Counts::manifest_head, &Counts::manifest_put, &Counts::blob_get,
    &Counts::blob_head,    &Counts::upload_start,  &Counts::mount,        &Counts::upload_data,
    &Counts::tag_list,     &Counts::referrers,     &Counts::token,        &Counts::ping,
    &Counts::other};

void take_off(Counts& from, const Counts& what) {
  for (auto kind : kKinds) from.*kind -= std::min(from.*kind, what.*kind);
}

}  // namespace

void add_difference(Counts& sum, const Counts& after, const Counts& before) {
  for (auto kind : kKinds) sum.*kind += after.*kind - before.*kind;
}

double PlanReport::Rate::bytes_per_second() const {
  if (took.count() <= 0) return 0;
  return static_cast<double>(bytes) / std::chrono::duration<double>(took).count();
}

void PlanReport::add(const PlanReport& more) {
  for (const auto& [store, counts] : more.requests) {
    add_difference(requests[store].least, counts.least, {});
    add_difference(requests[store].most, counts.most, {});
  }
  for (const auto& [place, rate] : more.rates) rates[place] = rate;
}

PlanReport make_plan(const std::map<std::string, Foreseen>& foreseen,
                     const std::map<std::string, Counts>& asked, const std::string& source_store,
                     const CachedManifests& cached) {
  PlanReport out;
  for (const auto& [store, counts] : asked) out.requests[store].least = counts;
  Counts& source = out.requests[source_store].least;
  source.manifest_get -= std::min(source.manifest_get, cached.all);
  source.manifest_head += cached.by_tag;
  for (const auto& [store, one] : foreseen) {
    Counts& least = out.requests[store].least;
    take_off(least, one.saved);
    add_difference(least, one.more, {});
  }
  for (auto& [store, range] : out.requests) {
    range.most = range.least;
    if (auto found = foreseen.find(store); found != foreseen.end()) {
      add_difference(range.most, found->second.perhaps, {});
    }
  }
  return out;
}

}  // namespace transship::engine
