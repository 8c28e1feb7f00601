#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "cli/json_line.h"
#include "cli/output/compare_output.h"
#include "cli/output/json_objects.h"

namespace transship::cli {
namespace json = boost::json;

namespace {

using engine::ArtifactComparison;
using engine::ComparisonReport;
using engine::Difference;
using engine::TargetComparison;

json::object difference_object(const Difference& one) {
  json::object out{{"kind", to_string(one.kind)}, {"name", one.name}};
  if (!one.type.empty()) out["type"] = one.type;
  if (!one.of.empty()) out["of"] = one.of;
  if (!one.source_value.empty()) out["sourceDigest"] = one.source_value;
  if (!one.target_value.empty()) out["targetDigest"] = one.target_value;
  return out;
}

json::object target_object(const std::string& name, const TargetComparison& target) {
  json::object out{{"target", name}, {"state", to_string(target.state)}};
  if (!target.digest.empty()) out["digest"] = target.digest;
  json::array differences;
  for (const Difference& one : target.differences) differences.push_back(difference_object(one));
  out["differences"] = std::move(differences);
  if (target.differences_omitted > 0) out["differencesOmitted"] = target.differences_omitted;
  if (target.error) out["error"] = error_object(*target.error);
  return out;
}

json::object artifact_object(const ComparisonReport& report, const ArtifactComparison& artifact) {
  json::array targets;
  for (std::size_t i = 0; i < artifact.targets.size(); ++i) {
    targets.push_back(target_object(report.targets[i], artifact.targets[i]));
  }
  return {{"source", artifact.name}, {"digest", artifact.digest}, {"targets", std::move(targets)}};
}

json::array texts(const std::vector<std::string>& list) {
  json::array out;
  for (const std::string& one : list) out.emplace_back(one);
  return out;
}

json::array summary_array(const ComparisonReport& report) {
  json::array out;
  for (std::size_t i = 0; i < report.targets.size(); ++i) {
    const engine::ComparisonCounts& c = report.counts[i];
    out.push_back(json::object{{"target", report.targets[i]},
                               {"equal", c.equal},
                               {"missing", c.missing},
                               {"different", c.different},
                               {"incomplete", c.incomplete},
                               {"onlyThere", c.only_there},
                               {"unknown", c.unknown}});
  }
  return out;
}

json::object comparison_object(const ComparisonReport& report) {
  json::array artifacts, errors;
  for (const auto& artifact : report.artifacts) {
    artifacts.push_back(artifact_object(report, artifact));
  }
  for (const Error& error : report.errors) errors.push_back(error_object(error));
  json::object requests;
  for (const auto& [store, counts] : report.requests) requests[store] = counts_object(counts);
  json::object out{{"source", report.source},
                   {"targets", summary_array(report)},
                   {"compared", report.compared},
                   {"repositories", report.repositories},
                   {"artifacts", std::move(artifacts)},
                   {"artifactsOmitted", report.artifacts_omitted},
                   {"incomplete", texts(report.incomplete)},
                   {"errors", std::move(errors)},
                   {"requests", std::move(requests)},
                   {"bytesRead", report.bytes_read},
                   {"milliseconds", report.took.count()},
                   {"warnings", texts(report.warnings)}};
  if (!report.job.empty()) out["job"] = report.job;
  return out;
}

}  // namespace

std::string comparisons_json(const std::vector<ComparisonReport>& reports,
                             const std::string& command, bool interrupted) {
  json::array comparisons;
  for (const auto& report : reports) comparisons.push_back(comparison_object(report));
  const bool complete = !interrupted && std::ranges::all_of(reports, &ComparisonReport::complete);
  const json::object root{{"version", 1},
                          {"command", command},
                          {"equal", std::ranges::none_of(reports, &ComparisonReport::different)},
                          {"complete", complete},
                          {"interrupted", interrupted},
                          {"comparisons", std::move(comparisons)}};
  return json_line(root);
}

}  // namespace transship::cli
