#include "engine/compare/comparison.h"

#include <algorithm>

namespace transship::engine {

std::string_view to_string(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::kManifestMissing:
      return "manifestMissing";
    case Difference::Kind::kBlobMissing:
      return "blobMissing";
    case Difference::Kind::kWrongContent:
      return "wrongContent";
    case Difference::Kind::kReferrerMissing:
      return "referrerMissing";
    case Difference::Kind::kReferrerDifferent:
      return "referrerDifferent";
    case Difference::Kind::kReferrerOnlyThere:
      return "referrerOnlyThere";
  }
  return "unknown";
}

std::string_view to_string(TargetComparison::State state) {
  switch (state) {
    case TargetComparison::State::kEqual:
      return "equal";
    case TargetComparison::State::kMissing:
      return "missing";
    case TargetComparison::State::kDifferent:
      return "different";
    case TargetComparison::State::kIncomplete:
      return "incomplete";
    case TargetComparison::State::kOnlyThere:
      return "onlyThere";
    case TargetComparison::State::kNotThere:
      return "notThere";
    case TargetComparison::State::kUnknown:
      return "unknown";
  }
  return "unknown";
}

void TargetComparison::add(Difference difference) {
  if (differences.size() < kMostDifferences) {
    differences.push_back(std::move(difference));
  } else {
    ++differences_omitted;
  }
}

bool ArtifactComparison::equal() const {
  return std::ranges::all_of(targets, [](const TargetComparison& one) {
    return one.state == TargetComparison::State::kEqual ||
           one.state == TargetComparison::State::kNotThere;
  });
}

void ComparisonCounts::add(TargetComparison::State state) {
  switch (state) {
    case TargetComparison::State::kEqual:
      ++equal;
      return;
    case TargetComparison::State::kMissing:
      ++missing;
      return;
    case TargetComparison::State::kDifferent:
      ++different;
      return;
    case TargetComparison::State::kIncomplete:
      ++incomplete;
      return;
    case TargetComparison::State::kOnlyThere:
      ++only_there;
      return;
    case TargetComparison::State::kNotThere:
      return;
    case TargetComparison::State::kUnknown:
      ++unknown;
      return;
  }
}

bool ComparisonReport::different() const {
  return std::ranges::any_of(counts, &ComparisonCounts::any_difference);
}

bool ComparisonReport::complete() const {
  return incomplete.empty() && errors.empty() &&
         std::ranges::none_of(counts, [](const ComparisonCounts& one) { return one.unknown > 0; });
}

void ComparisonReport::add(ArtifactComparison artifact, bool keep) {
  ++compared;
  for (std::size_t i = 0; i < artifact.targets.size(); ++i) {
    counts[i].add(artifact.targets[i].state);
  }
  if (artifact.equal() && !keep) return;
  if (artifacts.size() < kMostArtifacts) {
    artifacts.push_back(std::move(artifact));
  } else {
    ++artifacts_omitted;
  }
}

}  // namespace transship::engine
