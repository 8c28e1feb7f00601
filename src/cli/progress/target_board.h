#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/progress/blob_meters.h"
#include "cli/progress/progress_picture.h"
#include "engine/progress.h"

namespace transship::cli {

/// How far one target of a pass is.
struct TargetRow {
  std::string name;
  std::uint64_t artifacts_found = 0, artifacts_ended = 0, artifacts_failed = 0;
  std::uint64_t bytes_moved = 0;
  double bytes_per_second = 0;
  /// For what is known of by now: more may be found.
  std::optional<std::chrono::seconds> remaining{};
  std::string waits_for;  ///< "source", "target", "rate limit", ...; "-": nothing.
};

/// The progress of a sync: a row for each target of its jobs. Holds the blobs in flight
/// and a few notes, nothing per artifact. On the control shard, but for `moved` and `waits`.
class TargetBoard final : public engine::Progress, public ProgressPicture {
 public:
  /// `held_back`: how long a host has been held back by rate limits until now.
  using HeldBack = std::function<std::chrono::nanoseconds(const std::string& host)>;
  explicit TargetBoard(HeldBack held_back) : held_back_(std::move(held_back)) {}

  /// A job begins: its targets, "host/prefix", are shown from now on. Jobs may share some.
  void add(const std::string& job, const std::vector<std::string>& targets);
  /// Rates are over the last 10 s of calls.
  std::vector<TargetRow> rows(Clock::time_point now);

  void blob_started(std::uint64_t id, const oci::Descriptor& blob,
                    const oci::RepositoryId& target) override;
  void moved(std::uint64_t id, std::uint64_t bytes) override { meters_.move(id, bytes); }
  void waits(std::uint64_t id, engine::Cause cause) override { meters_.wait(id, cause); }
  void blob_ended(std::uint64_t id, BlobEnd how) override;
  void expected(std::uint64_t, std::uint64_t) override {}
  void artifacts_found(std::string_view target, std::uint64_t more) override;
  void artifact_ended(std::string_view target, engine::ItemOutcome outcome) override;
  void tagged(const oci::RepositoryId&, std::string_view, const oci::Digest&) override {}
  void note(std::string_view line) override;

  std::vector<std::string> frame(Clock::time_point now, Size size) override;
  std::vector<std::string> take_lines() override;
  std::vector<std::string> take_plain_lines() override { return {}; }
  std::string figures(Clock::time_point now) override;
  Clock::duration figures_interval() const override { return std::chrono::seconds(5); }

 private:
  struct Sample {
    Clock::time_point at;
    std::uint64_t bytes, artifacts;
  };
  struct Target {
    std::string name;
    std::uint64_t found = 0, ended = 0, failed = 0;
    std::uint64_t bytes_before = 0;  ///< Of blobs that have ended.
    std::chrono::nanoseconds held_back{};
    std::deque<Sample> samples{};
  };
  struct Blob {
    std::size_t target;
    std::uint64_t size;
  };
  struct InFlight {
    std::uint64_t moved = 0, left = 0;
    std::map<engine::Cause, std::size_t> causes{};
  };
  std::size_t target_of(const oci::RepositoryId& id) const;
  Target* find(std::string_view name);
  std::vector<InFlight> look() const;
  TargetRow row(Target& target, const InFlight& blobs, Clock::time_point now);
  std::string waits_for(Target& target, const InFlight& blobs);
  Clock::duration elapsed(Clock::time_point now) const;
  std::string heading() const;

  HeldBack held_back_;
  BlobMeters meters_;
  std::vector<std::string> jobs_;
  std::vector<Target> targets_;
  std::map<std::uint64_t, Blob> in_flight_;
  std::deque<std::string> notes_;
  std::size_t notes_dropped_ = 0;
  std::optional<Clock::time_point> begin_;
};

}  // namespace transship::cli
