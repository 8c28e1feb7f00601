#include "cli/output/report_text.h"

#include <fmt/format.h>

#include <boost/json/value.hpp>
#include <tuple>

#include "base/text.h"
#include "cli/output/plan_output.h"

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

// "a, b, c" of what is not zero.
class Enumeration {
 public:
  void add(bool there, const std::string& text) {
    if (there) text_ += (text_.empty() ? "" : ", ") + text;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string seconds_text(std::chrono::nanoseconds time) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(time).count());
}

// What was waited for at least a tenth of a second; "" for none.
std::string waiting_text(const engine::Waiting& waiting) {
  constexpr std::chrono::milliseconds kWorthALine{100};
  Enumeration out;
  for (const auto& [time, what] : {std::pair(waiting.source, "for the source"),
                                   {waiting.target, "for the target"},
                                   {waiting.others, "for other targets"},
                                   {waiting.rate_limit, "for its rate limit"},
                                   {waiting.hash, "for the hash"},
                                   {waiting.disk, "for the disk"}}) {
    out.add(time >= kWorthALine, fmt::format("{} {}", seconds_text(time), what));
  }
  return out.text();
}

std::string target_line(const std::string& target, const engine::Totals& totals, bool dry_run) {
  Enumeration moved;
  for (const auto& [what, bytes, blobs] :
       {std::tuple(dry_run ? "to send" : "sent", totals.bytes_sent, totals.blobs_sent),
        {dry_run ? "to mount" : "mounted", totals.bytes_mounted, totals.blobs_mounted},
        {"skipped", totals.bytes_skipped, totals.blobs_skipped}}) {
    moved.add(blobs > 0 || bytes > 0,
              fmt::format("{} {} in {} blobs", what, human_bytes(bytes), blobs));
  }
  moved.add(totals.bytes_resumed > 0,
            fmt::format("{} there from an interrupted run", human_bytes(totals.bytes_resumed)));
  moved.add(totals.manifests_put > 0,
            fmt::format("{} manifests {}put", totals.manifests_put, dry_run ? "to " : ""));
  moved.add(totals.tags_put > 0, fmt::format("{} tags", totals.tags_put));
  moved.add(totals.retries > 0, fmt::format("{} retries", totals.retries));
  std::string out = fmt::format("{}: {}\n", printable(target),
                                !moved.text().empty() ? moved.text()
                                : dry_run             ? "nothing to send"
                                                      : "nothing sent");
  const std::string waiting = waiting_text(totals.waiting);
  if (!waiting.empty()) out += "  its artifacts waited, added up: " + waiting + "\n";
  return out;
}

// A store's requests by kind, the most frequent kinds of work first as they come in a copy.
std::string requests_line(const std::string& store, const oci::RequestCounts& c) {
  Enumeration kinds;
  for (const auto& [count, what] : {std::pair(c.manifest_get, "manifest GET"),
                                    {c.manifest_head, "manifest HEAD"},
                                    {c.manifest_put, "manifest PUT"},
                                    {c.blob_get, "blob GET"},
                                    {c.blob_head, "blob HEAD"},
                                    {c.upload_start, "upload POST"},
                                    {c.mount, "mount POST"},
                                    {c.upload_data, "upload data"},
                                    {c.tag_list, "tag list"},
                                    {c.referrers, "referrers"},
                                    {c.token, "token"},
                                    {c.ping, "ping"},
                                    {c.other, "other"}}) {
    kinds.add(count > 0, fmt::format("{} {}", count, what));
  }
  return fmt::format("{}: {} requests{}{}\n", printable(store), c.total(),
                     kinds.text().empty() ? "" : ": ", kinds.text());
}

std::string latency_text(const engine::Latency& latency) {
  if (latency.p50.count() == 0) return {};
  return fmt::format("; first request to tag: {} ms (half of them), {} ms (99 of 100)",
                     latency.p50.count(), latency.p99.count());
}

std::string outcomes_text(const engine::OutcomeCounts& c) {
  Enumeration out;
  for (const auto& [count, what] : {std::pair(c.copied, "copied"),
                                    {c.planned, "to copy"},
                                    {c.unchanged, "unchanged"},
                                    {c.skipped, "skipped"},
                                    {c.failed, "FAILED"}}) {
    out.add(count > 0, fmt::format("{} {}", count, what));
  }
  return out.text().empty() ? "nothing" : out.text();
}

std::string job_text(const engine::JobReport& job) {
  std::string out = fmt::format("job {}: {} repositories in {}\n", printable(job.name),
                                job.repositories, seconds_text(job.took));
  for (const auto& [target, counts] : job.targets) {
    const auto latency = job.target_latency.find(target);
    out += fmt::format("  {}: {}{}\n", printable(target), outcomes_text(counts),
                       latency == job.target_latency.end() ? "" : latency_text(latency->second));
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

bool is_good(engine::ItemOutcome outcome) {
  return outcome == engine::ItemOutcome::kCopied || outcome == engine::ItemOutcome::kUnchanged ||
         outcome == engine::ItemOutcome::kPlanned;
}

// A pass says how many were copied, and names what was not; all of them are in the JSON.
std::string items_text(const engine::Report& report, bool dry_run) {
  constexpr std::size_t kGoodShown = 20;
  constexpr std::size_t kOthersShown = 100;
  const bool of_pass = !report.jobs.empty() && !dry_run;
  std::string out;
  std::size_t good = 0, others = 0;
  for (const auto& item : report.items) {
    const bool show =
        is_good(item.outcome) ? ++good <= (of_pass ? 0 : kGoodShown) : ++others <= kOthersShown;
    if (show) out += item_line(item);
  }
  const std::size_t hidden = (good > kGoodShown && !of_pass ? good - kGoodShown : 0) +
                             (others > kOthersShown ? others - kOthersShown : 0);
  if (hidden > 0) out += fmt::format("          and {} more: see --report\n", hidden);
  if (report.items_omitted > 0) {
    out += fmt::format("          {} more are not listed\n", report.items_omitted);
  }
  return out;
}

}  // namespace

std::string failures_text(const engine::Report& report) {
  std::string out;
  for (const auto& item : report.items) {
    if (item.outcome == engine::ItemOutcome::kFailed) out += item_line(item);
  }
  return out;
}

std::string report_text(const engine::Report& report, bool dry_run) {
  std::string out = items_text(report, dry_run);
  for (const auto& job : report.jobs) out += job_text(job);
  if (report.interrupted) {
    out += dry_run ? "interrupted\n"
                   : "interrupted: the same copy again goes on from what has arrived\n";
  }
  if (report.plan) out += plan_text(report);
  for (const auto& [target, totals] : report.targets) {
    if (!report.plan) out += target_line(target, totals, dry_run);
  }
  std::uint64_t requests = 0;
  for (const auto& [store, counts] : report.requests) {
    requests += counts.total();
    out += requests_line(store, counts);
  }
  for (const auto& warning : report.warnings) out += "warning: " + printable(warning, 1000) + "\n";
  out += fmt::format("{}{} requests, {} {}read from the source, {}\n",
                     dry_run ? "dry run, nothing written: " : "", requests,
                     human_bytes(report.source_bytes), dry_run ? "to be " : "",
                     seconds_text(report.took));
  return out;
}

}  // namespace transship::cli
