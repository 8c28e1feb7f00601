#include "cli/output/plan_output.h"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <cmath>

#include "base/text.h"
#include "cli/output/json_objects.h"
#include "cli/output/list_counts.h"
#include "cli/progress/progress_board.h"

namespace transship::cli {
namespace json = boost::json;

namespace {

struct Range {
  std::uint64_t least = 0, most = 0;
};

// One target, put together from the report's parts.
struct PlannedTarget {
  std::uint64_t artifacts = 0;
  Range send, mount;
  double rate = 0;           ///< Bytes a second; 0: none is known.
  std::uint64_t passes = 0;  ///< That were measured; 0: it was given.
  Range seconds() const { return {time(send.least), time(send.most)}; }

 private:
  std::uint64_t time(std::uint64_t bytes) const {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(bytes) / rate));
  }
};

PlannedTarget planned(const engine::Report& report, const std::string& place) {
  PlannedTarget out;
  for (const auto& job : report.jobs) {
    const auto found = job.targets.find(place);
    if (found != job.targets.end()) out.artifacts += found->second.planned;
  }
  const engine::Totals& totals = report.targets.at(place);
  out.send = {totals.bytes_sent, totals.bytes_sent + totals.bytes_unsure};
  out.mount = {totals.bytes_mounted - totals.bytes_unsure, totals.bytes_mounted};
  if (report.plan->given_rate) {
    out.rate = static_cast<double>(*report.plan->given_rate);
  } else if (auto found = report.plan->rates.find(place); found != report.plan->rates.end()) {
    out.rate = found->second.bytes_per_second();
    out.passes = found->second.passes;
  }
  return out;
}

std::string bytes_text(const Range& range) {
  if (range.least == range.most) return human_bytes(range.least);
  return human_bytes(range.least) + " to " + human_bytes(range.most);
}

std::string time_text(const PlannedTarget& target) {
  if (target.rate <= 0) return "";
  const Range seconds = target.seconds();
  std::string out = "; " + clock_text(std::chrono::seconds(seconds.least));
  if (seconds.most != seconds.least) out += " to " + clock_text(std::chrono::seconds(seconds.most));
  out += fmt::format(" at {}/s", human_bytes(static_cast<std::uint64_t>(target.rate)));
  return out +
         (target.passes == 0
              ? " (given)"
              : fmt::format(" (measured in the last {} passes that sent there)", target.passes));
}

std::string kinds_text(const oci::RequestCounts& c) {
  return list_counts({{c.tag_list, "tag lists"},
                      {c.manifest_head, "manifest HEAD"},
                      {c.manifest_get, "manifest GET"},
                      {c.manifest_put, "manifest PUT"},
                      {c.referrers, "referrers"},
                      {c.blob_head, "blob HEAD"},
                      {c.blob_get, "blob GET"},
                      {c.mount, "mounts"},
                      {c.upload_start, "upload POST"},
                      {c.upload_data, "upload PUT"},
                      {c.token, "tokens"},
                      {c.ping + c.other, "others"}});
}

json::object range_object(const Range& range) {
  return {{"least", range.least}, {"most", range.most}};
}

}  // namespace

std::string plan_text(const engine::Report& report) {
  std::string out;
  bool unsure = false;
  for (const auto& [place, totals] : report.targets) {
    const PlannedTarget target = planned(report, place);
    out += fmt::format("{}: {} artifacts; {} to send, {} to mount{}\n", printable(place),
                       target.artifacts, bytes_text(target.send), bytes_text(target.mount),
                       time_text(target));
  }
  for (const auto& [store, range] : report.plan->requests) {
    const std::uint64_t least = range.least.total(), most = range.most.total();
    unsure = unsure || least != most;
    out += fmt::format("{}: {}{} requests to come: {}\n", printable(store), least,
                       least == most ? "" : fmt::format(" to {}", most), kinds_text(range.least));
  }
  if (unsure) {
    out +=
        "ranges: whether these registries mount blobs, or list referrers, is not known before a "
        "sync has seen it\n";
  }
  return out;
}

json::object plan_object(const engine::Report& report) {
  json::object targets, requests;
  for (const auto& [place, totals] : report.targets) {
    const PlannedTarget target = planned(report, place);
    json::object one{{"artifacts", target.artifacts},
                     {"bytesToSend", range_object(target.send)},
                     {"bytesToMount", range_object(target.mount)}};
    if (target.rate > 0) {
      json::object rate{{"bytesPerSecond", static_cast<std::uint64_t>(target.rate)},
                        {"from", target.passes == 0 ? "given" : "measured"}};
      if (target.passes > 0) rate["passes"] = target.passes;
      one["rate"] = std::move(rate);
      one["seconds"] = range_object(target.seconds());
    }
    targets[place] = std::move(one);
  }
  for (const auto& [store, range] : report.plan->requests) {
    requests[store] =
        json::object{{"least", counts_object(range.least)}, {"most", counts_object(range.most)}};
  }
  return {{"targets", std::move(targets)}, {"requests", std::move(requests)}};
}

}  // namespace transship::cli
