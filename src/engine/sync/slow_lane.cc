#include "engine/sync/slow_lane.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/sync/sync_repository.h"

namespace transship::engine {

SlowLane::SlowLane(RunState& run, const SyncJob& job, const FairSlots::Share& slots,
                   const Executor& executor)
    : run_(run),
      job_(job),
      slots_(slots),
      away_(job.targets.size(), false),
      waiting_(job.targets.size(), 0),
      changed_(executor) {}

std::vector<std::size_t> SlowLane::those(bool away) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < away_.size(); ++i) {
    if (away_[i] == away) out.push_back(i);
  }
  return out;
}

Errand SlowLane::take_up(SyncRepository repository) {
  auto away = those(true);
  if (!away.empty()) {
    errands_.push_back({.repository = repository, .targets = std::move(away)});
    changed_.notify_all();
  }
  return {.repository = std::move(repository), .targets = those(false)};
}

void SlowLane::look() {
  if (!slots_.wanted()) return;
  std::vector<std::size_t> slow;
  const auto here = those(false);
  for (const std::size_t i : here) {
    const bool holds_up = 4 * waiting_[i] >= 3 * slots_.used();
    if (holds_up && run_.paces.slow(job_.targets[i].store, run_.context.time.now())) {
      slow.push_back(i);
    }
  }
  if (slow.size() < here.size()) leave(slow, "is far slower than the other targets");
}

void SlowLane::fails(std::size_t target) {
  if (!away_[target] && those(false).size() > 1) leave({target}, "does not answer");
}

void SlowLane::leave(const std::vector<std::size_t>& targets, std::string_view why) {
  const bool first = those(true).empty() && !targets.empty();
  for (const std::size_t target : targets) {
    run_.warn(fmt::format("{} {}: it is served apart from the others",
                          job_.targets[target].to_string(), why));
    away_[target] = true;
    for (RepositorySync* walk : in_hand_) {
      if (auto rest = walk->leave_out(target)) errands_.push_back(std::move(*rest));
    }
  }
  for (Artifact* artifact : artifacts_) artifact->look();
  if (first && on_leave) on_leave();
}

Errand SlowLane::next_errand() {
  Errand out = std::move(errands_.front());
  errands_.pop_front();
  return out;
}

std::size_t SlowLane::drop_errands() {
  const std::size_t count = errands_.size();
  errands_.clear();
  return count;
}

void SlowLane::all_back() { away_.assign(away_.size(), false); }

Task<Result<void>> SlowLane::settle() {
  while (errands_.empty() && left_behind_ != 0) TS_CO_TRY(co_await changed_.wait());
  co_return Result<void>{};
}

SlowLane::Artifact::Artifact(SlowLane& lane, std::vector<std::size_t> targets,
                             std::move_only_function<void()> on_left_behind)
    : lane_(lane), open_(std::move(targets)), on_left_behind_(std::move(on_left_behind)) {
  lane_.artifacts_.push_back(this);
}

SlowLane::Artifact::~Artifact() {
  std::erase(lane_.artifacts_, this);
  count(false);
  if (left_behind_ && --lane_.left_behind_ == 0) lane_.changed_.notify_all();
}

void SlowLane::Artifact::count(bool waits) {
  if (std::exchange(waited_for_, waits) == waits) return;
  for (const std::size_t target : open_)
    waits ? ++lane_.waiting_[target] : --lane_.waiting_[target];
}

void SlowLane::Artifact::ended(std::size_t target) {
  count(false);
  if (std::erase(open_, target) == 0 || left_behind_) return;
  count(true);
  lane_.look();
  look();
}

void SlowLane::Artifact::look() {
  if (left_behind_ || !waited_for_ || open_.empty()) return;
  if (!std::ranges::all_of(open_, [this](auto target) { return lane_.away_[target]; })) return;
  count(false);
  left_behind_ = true;
  ++lane_.left_behind_;
  on_left_behind_();
}

}  // namespace transship::engine
