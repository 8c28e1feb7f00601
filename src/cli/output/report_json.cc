#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "cli/json_line.h"
#include "cli/output/json_objects.h"
#include "cli/output/plan_output.h"
#include "cli/output/report_text.h"

namespace transship::cli {
namespace json = boost::json;

namespace {

json::object waiting_object(const engine::Waiting& w) {
  const auto milliseconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
  };
  return {{"sourceMilliseconds", milliseconds(w.source)},
          {"targetMilliseconds", milliseconds(w.target)},
          {"otherTargetsMilliseconds", milliseconds(w.others)},
          {"rateLimitMilliseconds", milliseconds(w.rate_limit)},
          {"hashMilliseconds", milliseconds(w.hash)},
          {"diskMilliseconds", milliseconds(w.disk)}};
}

json::object totals_object(const engine::Totals& t) {
  return {{"bytesSent", t.bytes_sent},
          {"bytesResumed", t.bytes_resumed},
          {"bytesMounted", t.bytes_mounted},
          {"bytesSkipped", t.bytes_skipped},
          {"blobsSent", t.blobs_sent},
          {"blobsMounted", t.blobs_mounted},
          {"blobsSkipped", t.blobs_skipped},
          {"blobsAsked", t.blobs_asked},
          {"manifestsPut", t.manifests_put},
          {"manifestsSkipped", t.manifests_skipped},
          {"tagsPut", t.tags_put},
          {"retries", t.retries},
          {"waiting", waiting_object(t.waiting)}};
}

json::object item_object(const engine::ItemReport& item) {
  json::object out{{"source", item.source},
                   {"target", item.target},
                   {"digest", item.digest},
                   {"outcome", to_string(item.outcome)},
                   {"referrers", item.referrers},
                   {"milliseconds", item.took.count()},
                   {"totals", totals_object(item.totals)}};
  if (item.error) out["error"] = error_object(*item.error);
  if (!item.note.empty()) out["note"] = item.note;
  return out;
}

json::object job_object(const engine::JobReport& job) {
  json::object targets;
  for (const auto& [name, c] : job.targets) {
    const auto found = job.target_latency.find(name);
    const engine::Latency latency =
        found == job.target_latency.end() ? engine::Latency{} : found->second;
    targets[name] = json::object{{"copied", c.copied},
                                 {"unchanged", c.unchanged},
                                 {"planned", c.planned},
                                 {"skipped", c.skipped},
                                 {"failed", c.failed},
                                 {"p50Milliseconds", latency.p50.count()},
                                 {"p99Milliseconds", latency.p99.count()}};
  }
  json::array incomplete;
  for (const auto& repository : job.incomplete) incomplete.emplace_back(repository);
  return {{"name", job.name},
          {"milliseconds", job.took.count()},
          {"repositories", job.repositories},
          {"targets", std::move(targets)},
          {"incomplete", std::move(incomplete)},
          {"interrupted", job.interrupted},
          {"outOfTime", job.out_of_time},
          {"left", job.left},
          {"leftRepositories", job.left_repositories},
          {"p50Milliseconds", job.latency.p50.count()},
          {"p99Milliseconds", job.latency.p99.count()}};
}

}  // namespace

std::string report_json(const engine::Report& report, bool dry_run) {
  json::array items;
  for (const auto& item : report.items) items.push_back(item_object(item));
  json::object targets, requests;
  for (const auto& [name, totals] : report.targets) targets[name] = totals_object(totals);
  for (const auto& [name, counts] : report.requests) requests[name] = counts_object(counts);
  json::array warnings;
  for (const auto& warning : report.warnings) warnings.emplace_back(warning);
  const bool interrupted =
      report.interrupted || std::ranges::any_of(report.jobs, &engine::JobReport::interrupted);
  json::object root{{"version", 1},
                    {"ok", report.ok()},
                    {"dryRun", dry_run},
                    {"interrupted", interrupted},
                    {"milliseconds", report.took.count()},
                    {"sourceBytes", report.source_bytes},
                    {"sourceConnections", report.source_connections},
                    {"items", std::move(items)},
                    {"targets", std::move(targets)},
                    {"requests", std::move(requests)},
                    {"warnings", std::move(warnings)}};
  if (!report.jobs.empty()) {
    json::array jobs;
    for (const auto& job : report.jobs) jobs.push_back(job_object(job));
    root["jobs"] = std::move(jobs);
    root["itemsOmitted"] = report.items_omitted;
  }
  if (report.plan) root["plan"] = plan_object(report);
  return json_line(root);
}

}  // namespace transship::cli
