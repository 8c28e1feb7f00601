#include "cli/report_text.h"

#include "base/text.h"

namespace transship::cli {

namespace {

std::string item_line(const engine::ItemReport& item) {
  std::string out = fmt::format("{:<9} {} -> {}", to_string(item.outcome), printable(item.source),
                                printable(item.target));
  if (!item.digest.empty()) out += " " + item.digest;
  if (item.error) out += "\n          " + printable(item.error->describe(), 2000);
  if (!item.note.empty()) out += "\n          " + printable(item.note, 1000);
  return out + "\n";
}

std::string target_line(const std::string& target, const engine::Totals& totals) {
  return fmt::format(
      "{}: sent {} in {} blobs{}, mounted {} in {}, skipped {} in {}; {} manifests, {} tags{}\n",
      printable(target), human_bytes(totals.bytes_sent), totals.blobs_sent,
      totals.bytes_resumed > 0 ? fmt::format(" ({} were there from an interrupted run)",
                                             human_bytes(totals.bytes_resumed))
                               : "",
      human_bytes(totals.bytes_mounted), totals.blobs_mounted, human_bytes(totals.bytes_skipped),
      totals.blobs_skipped, totals.manifests_put, totals.tags_put,
      totals.retries > 0 ? fmt::format("; {} retries", totals.retries) : "");
}

std::string outcomes_text(const engine::OutcomeCounts& c) {
  std::string out;
  const auto add = [&out](std::uint64_t count, std::string_view what) {
    if (count > 0) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, what);
  };
  add(c.copied, "copied");
  add(c.planned, "to copy");
  add(c.unchanged, "unchanged");
  add(c.skipped, "skipped");
  add(c.failed, "FAILED");
  return out.empty() ? "nothing" : out;
}

std::string job_text(const engine::JobReport& job) {
  std::string out = fmt::format("job {}: {} repositories in {:.1f} s", printable(job.name),
                                job.repositories, std::chrono::duration<double>(job.took).count());
  if (job.p50.count() > 0) {
    out += fmt::format("; an artifact took {} ms (half of them), {} ms (99 of 100)",
                       job.p50.count(), job.p99.count());
  }
  out += "\n";
  for (const auto& [target, counts] : job.targets) {
    out += fmt::format("  {}: {}\n", printable(target), outcomes_text(counts));
  }
  for (const auto& name : job.incomplete) {
    out += fmt::format("  {}: its listing was cut short\n", printable(name));
  }
  if (job.out_of_time || job.interrupted) {
    out += fmt::format(
        "  {}: {} artifacts and {} repositories that were listed are left for the next pass\n",
        job.interrupted ? "interrupted" : "time was up", job.left, job.left_repositories);
  }
  return out;
}

// What the totals of a dry run cost at the target, request by request.
std::string plan_line(const std::string& target, const engine::Totals& t) {
  return fmt::format(
      "{}: {} to send in {} blobs, {} to mount in {}; {} manifests; {} requests to write "
      "({} POST, {} PUT)\n",
      printable(target), human_bytes(t.bytes_sent), t.blobs_sent, human_bytes(t.bytes_mounted),
      t.blobs_mounted, t.manifests_put, t.blobs_asked + t.blobs_sent + t.manifests_put,
      t.blobs_asked, t.blobs_sent + t.manifests_put);
}

}  // namespace

std::string report_text(const engine::Report& report, bool dry_run) {
  constexpr std::size_t kItemsShown = 20;
  std::string out;
  std::size_t done = 0;
  for (const auto& item : report.items) {
    const bool quiet = item.outcome == engine::ItemOutcome::kCopied ||
                       item.outcome == engine::ItemOutcome::kUnchanged ||
                       item.outcome == engine::ItemOutcome::kPlanned;
    if (quiet && ++done > kItemsShown) continue;
    out += item_line(item);
  }
  if (done > kItemsShown) out += fmt::format("          and {} more\n", done - kItemsShown);
  if (report.items_omitted > 0) {
    out += fmt::format("          {} more are not listed\n", report.items_omitted);
  }
  for (const auto& job : report.jobs) out += job_text(job);
  const bool plan = dry_run && !report.jobs.empty();
  for (const auto& [target, totals] : report.targets) {
    out += plan ? plan_line(target, totals) : target_line(target, totals);
  }
  std::uint64_t requests = 0;
  std::string by_store;
  for (const auto& [store, counts] : report.requests) {
    requests += counts.total();
    by_store +=
        fmt::format("{}{} {}", by_store.empty() ? "" : ", ", counts.total(), printable(store));
  }
  for (const auto& warning : report.warnings) out += "warning: " + printable(warning, 1000) + "\n";
  const double seconds = std::chrono::duration<double>(report.took).count();
  out += fmt::format("{}{} requests ({}), {} read from the source, {:.1f} s\n",
                     dry_run ? "dry run, nothing written: " : "", requests, by_store,
                     human_bytes(report.source_bytes), seconds);
  return out;
}

}  // namespace transship::cli
