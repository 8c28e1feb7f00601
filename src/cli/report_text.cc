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
      "{}: sent {} in {} blobs, mounted {} in {}, skipped {} in {}; {} manifests, {} tags{}\n",
      printable(target), human_bytes(totals.bytes_sent), totals.blobs_sent,
      human_bytes(totals.bytes_mounted), totals.blobs_mounted, human_bytes(totals.bytes_skipped),
      totals.blobs_skipped, totals.manifests_put, totals.tags_put,
      totals.retries > 0 ? fmt::format("; {} retries", totals.retries) : "");
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
  for (const auto& [target, totals] : report.targets) out += target_line(target, totals);
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
