#include "cli/progress/target_board.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/progress/target_table.h"

namespace transship::cli {

namespace {

constexpr std::chrono::seconds kRateWindow{10};
/// Notes kept between two looks, and what of one is shown: many retries must not push the table
/// off the screen.
constexpr std::size_t kMostNotes = 3;
constexpr std::size_t kNoteBytes = 200;

std::string host_of(const std::string& place) { return place.substr(0, place.find('/')); }

}  // namespace

void TargetBoard::add(const std::string& job, const std::vector<std::string>& targets) {
  jobs_.push_back(printable(job, 60));
  for (const std::string& name : targets) {
    if (find(name) != nullptr) continue;
    targets_.push_back({.name = name, .held_back = held_back_(host_of(name))});
  }
}

// The longest place that the repository lies below: places may lie within each other.
std::size_t TargetBoard::target_of(const oci::RepositoryId& id) const {
  const std::string name = id.to_string();
  std::size_t best = targets_.size();
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    const std::string& place = targets_[i].name;
    if (name != place && !name.starts_with(place + "/")) continue;
    if (best == targets_.size() || place.size() > targets_[best].name.size()) best = i;
  }
  return best;
}

TargetBoard::Target* TargetBoard::find(std::string_view name) {
  const auto found = std::ranges::find(targets_, name, &Target::name);
  return found == targets_.end() ? nullptr : &*found;
}

void TargetBoard::blob_started(std::uint64_t id, const oci::Descriptor& blob,
                               const oci::RepositoryId& target) {
  meters_.start(id);
  const std::size_t index = target_of(target);
  if (index < targets_.size()) in_flight_[id] = {.target = index, .size = blob.size};
}

void TargetBoard::blob_ended(std::uint64_t id, BlobEnd) {
  const auto blob = in_flight_.find(id);
  if (blob == in_flight_.end()) return;
  targets_[blob->second.target].bytes_before += meters_.moved(id);
  in_flight_.erase(blob);
}

void TargetBoard::artifacts_found(std::string_view target, std::uint64_t more) {
  if (Target* one = find(target)) one->found += more;
}

void TargetBoard::artifact_ended(std::string_view target, engine::ItemOutcome outcome) {
  Target* one = find(target);
  if (one == nullptr) return;
  ++one->ended;
  if (outcome == engine::ItemOutcome::kFailed) ++one->failed;
  // What failed before it was listed: a repository, a target.
  one->found = std::max(one->found, one->ended);
}

void TargetBoard::note(std::string_view line) {
  notes_.push_back(printable(line, kNoteBytes));
  if (notes_.size() <= kMostNotes) return;
  notes_.pop_front();
  ++notes_dropped_;
}

std::vector<TargetBoard::InFlight> TargetBoard::look() const {
  std::vector<InFlight> out(targets_.size());
  for (const auto& [id, blob] : in_flight_) {
    InFlight& of = out[blob.target];
    const std::uint64_t moved = meters_.moved(id);
    of.moved += moved;
    of.left += blob.size - std::min(moved, blob.size);
    ++of.causes[meters_.cause(id)];
  }
  return out;
}

std::string TargetBoard::waits_for(Target& target, const InFlight& blobs) {
  const auto held_back = held_back_(host_of(target.name));
  const bool limited = held_back > std::exchange(target.held_back, held_back);
  const auto most =
      std::ranges::max_element(blobs.causes, {}, [](const auto& c) { return c.second; });
  if (most != blobs.causes.end() && most->first != engine::Cause::kNothing) {
    return std::string(to_string(most->first));
  }
  if (most != blobs.causes.end()) return "-";
  if (limited) return "rate limit";
  return target.ended < target.found ? "answers" : "-";
}

TargetRow TargetBoard::row(Target& target, const InFlight& blobs, Clock::time_point now) {
  TargetRow out{.name = target.name,
                .artifacts_found = target.found,
                .artifacts_ended = target.ended,
                .artifacts_failed = target.failed,
                .bytes_moved = target.bytes_before + blobs.moved,
                .waits_for = waits_for(target, blobs)};
  auto& samples = target.samples;
  samples.push_back({.at = now, .bytes = out.bytes_moved, .artifacts = target.ended});
  while (samples.size() > 2 && now - samples.front().at > kRateWindow) samples.pop_front();
  const double seconds = std::chrono::duration<double>(now - samples.front().at).count();
  if (seconds < 0.2) return out;
  out.bytes_per_second = static_cast<double>(out.bytes_moved - samples.front().bytes) / seconds;
  const double artifact_rate =
      static_cast<double>(target.ended - samples.front().artifacts) / seconds;
  const std::uint64_t artifacts_left = target.found - target.ended;
  const auto time = [](std::uint64_t left, double rate) {
    return static_cast<double>(left) / rate;
  };
  // What is in flight by its bytes, the rest by how quickly artifacts end: the slower of the two.
  double left = -1;
  if (blobs.left > 0 && out.bytes_per_second > 1) left = time(blobs.left, out.bytes_per_second);
  if (artifacts_left > 0 && artifact_rate > 0) {
    left = std::max(left, time(artifacts_left, artifact_rate));
  }
  if (left >= 0) out.remaining = std::chrono::seconds(static_cast<std::int64_t>(left));
  return out;
}

std::vector<TargetRow> TargetBoard::rows(Clock::time_point now) {
  if (!begin_) begin_ = now;
  const std::vector<InFlight> blobs = look();
  std::vector<TargetRow> out;
  out.reserve(targets_.size());
  for (std::size_t i = 0; i < targets_.size(); ++i) out.push_back(row(targets_[i], blobs[i], now));
  return out;
}

Clock::duration TargetBoard::elapsed(Clock::time_point now) const {
  return begin_ ? now - *begin_ : Clock::duration{};
}

std::string TargetBoard::heading() const {
  return jobs_.size() == 1 ? jobs_.front() : fmt::format("{} jobs", jobs_.size());
}

std::vector<std::string> TargetBoard::frame(Clock::time_point now, Size size) {
  const auto all = rows(now);
  return table_lines(heading(), all, elapsed(now), size);
}

std::vector<std::string> TargetBoard::take_lines() {
  std::vector<std::string> out;
  out.reserve(notes_.size() + 1);
  for (const std::string& line : notes_) out.push_back("note: " + line);
  if (notes_dropped_ > 0) out.push_back(fmt::format("note: and {} more", notes_dropped_));
  notes_.clear();
  notes_dropped_ = 0;
  return out;
}

std::string TargetBoard::figures(Clock::time_point now) {
  const auto all = rows(now);
  std::string out = summary_line(heading(), all, elapsed(now));
  if (!notes_.empty()) {
    const std::size_t others = notes_dropped_ + notes_.size() - 1;
    out += "; note: " + notes_.back() + (others > 0 ? fmt::format(" (and {} more)", others) : "");
  }
  notes_.clear();
  notes_dropped_ = 0;
  return out;
}

}  // namespace transship::cli
