#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/output/compare_output.h"
#include "cli/output/list_counts.h"

namespace transship::cli {

namespace {

using engine::ArtifactComparison;
using engine::ComparisonReport;
using engine::Difference;
using engine::TargetComparison;
using State = TargetComparison::State;

/// Rows of the table, differences of one target: the report in JSON has more.
constexpr std::size_t kRows = 200;
constexpr std::size_t kLines = 100;

// Names are shown without what all of them begin with.
std::string short_name(const ComparisonReport& report, const std::string& name) {
  const std::string below = report.source + "/";
  return printable(name.starts_with(below) ? name.substr(below.size()) : name);
}

std::string cell(const TargetComparison& target) {
  switch (target.state) {
    case State::kEqual:
      return "equal";
    case State::kMissing:
      return "missing";
    case State::kDifferent:
      return "different";
    case State::kIncomplete:
      return fmt::format("incomplete ({})", target.differences.size() + target.differences_omitted);
    case State::kOnlyThere:
      return "only here";
    case State::kNotThere:
      return "-";
    case State::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string table(const ComparisonReport& report) {
  std::vector<std::string> header = {printable(report.source)};
  for (const auto& target : report.targets) header.push_back(printable(target));
  std::vector<std::size_t> widths(header.size(), 0);
  std::vector<std::vector<std::string>> rows = {std::move(header)};
  for (const ArtifactComparison& artifact : report.artifacts) {
    if (rows.size() > kRows) break;
    std::vector<std::string>& row = rows.emplace_back();
    row.push_back(short_name(report, artifact.name));
    for (const TargetComparison& target : artifact.targets) row.push_back(cell(target));
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}", row[i], i + 1 < row.size() ? widths[i] + 2 : 0);
    }
    out += line + "\n";
  }
  const std::size_t shown = rows.size() - 1;
  const std::uint64_t all = report.artifacts.size() + report.artifacts_omitted;
  if (all > shown) out += fmt::format("and {} more\n", all - shown);
  return out;
}

std::string described(const Difference& one) {
  const std::string type = one.type.empty() ? "" : fmt::format(" ({})", printable(one.type));
  const std::string name = printable(one.name) + type;
  switch (one.kind) {
    case Difference::Kind::kManifestMissing:
      return fmt::format("manifest {} of {} is missing", name, one.of);
    case Difference::Kind::kBlobMissing:
      return fmt::format("blob {} of {} is missing", name, one.of);
    case Difference::Kind::kWrongContent:
      return fmt::format("{} of {} is there, and its bytes are wrong", name, one.of);
    case Difference::Kind::kReferrerMissing:
      return fmt::format("referrer {} of {} is missing", name, one.of);
    case Difference::Kind::kReferrerDifferent:
      return fmt::format("{} is {}, at the source {}", name, one.target_value, one.source_value);
    case Difference::Kind::kReferrerOnlyThere:
      return fmt::format("referrer {} of {} is only there", name, one.of);
  }
  return {};
}

// What the cell of the table does not say.
std::vector<std::string> lines_of(const ArtifactComparison& artifact,
                                  const TargetComparison& target) {
  std::vector<std::string> out;
  if (target.state == State::kDifferent) {
    out.push_back(fmt::format("is {}, at the source {}", target.digest, artifact.digest));
  }
  if (target.error) out.push_back(printable(target.error->describe(), 2000));
  for (const Difference& one : target.differences) out.push_back(described(one));
  if (target.differences_omitted > 0) {
    out.push_back(fmt::format("and {} more", target.differences_omitted));
  }
  return out;
}

std::string details(const ComparisonReport& report, std::size_t index) {
  std::string out;
  std::size_t lines = 0;
  for (const ArtifactComparison& artifact : report.artifacts) {
    for (const std::string& line : lines_of(artifact, artifact.targets[index])) {
      if (++lines > kLines) continue;
      out += fmt::format("  {}: {}\n", short_name(report, artifact.name), line);
    }
  }
  if (lines > kLines) out += fmt::format("  and {} more\n", lines - kLines);
  return out.empty() ? out : printable(report.targets[index]) + ":\n" + out;
}

std::string counts_text(const engine::ComparisonCounts& c) {
  const std::string out = list_counts({{c.equal, "equal"},
                                       {c.missing, "missing"},
                                       {c.different, "different"},
                                       {c.incomplete, "incomplete"},
                                       {c.only_there, "only there"},
                                       {c.unknown, "UNKNOWN"}});
  return out.empty() ? "nothing" : out;
}

std::string figures(const ComparisonReport& report) {
  std::uint64_t requests = 0;
  std::string by_store;
  for (const auto& [store, counts] : report.requests) {
    requests += counts.total();
    by_store +=
        fmt::format("{}{} {}", by_store.empty() ? "" : ", ", counts.total(), printable(store));
  }
  std::string out =
      fmt::format("{} artifacts, {} requests ({}), {:.1f} s", report.compared, requests, by_store,
                  std::chrono::duration<double>(report.took).count());
  if (report.bytes_read > 0) out += fmt::format(", {} read", human_bytes(report.bytes_read));
  return out + "\n";
}

}  // namespace

std::string comparison_text(const ComparisonReport& report) {
  std::string out = report.job.empty() ? "" : fmt::format("job {}\n", printable(report.job));
  if (!report.artifacts.empty()) out += table(report) + "\n";
  for (std::size_t i = 0; i < report.targets.size(); ++i) out += details(report, i);
  for (const Error& error : report.errors) {
    out += "failed: " + printable(error.describe(), 2000) + "\n";
  }
  for (const auto& text : report.incomplete) {
    out += "incomplete: " + printable(text, 2000) + "\n";
  }
  for (const auto& warning : report.warnings) out += "warning: " + printable(warning, 1000) + "\n";
  for (std::size_t i = 0; i < report.targets.size(); ++i) {
    out += fmt::format("{}: {}\n", printable(report.targets[i]), counts_text(report.counts[i]));
  }
  return out + figures(report);
}

}  // namespace transship::cli
