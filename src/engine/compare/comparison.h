#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "oci/store.h"

namespace transship::engine {

/// One thing that a target has otherwise than the source.
struct Difference {
  enum class Kind : std::uint8_t {
    kManifestMissing,    ///< A child of an index, or what is below a referrer.
    kBlobMissing,        ///< A config or a layer.
    kWrongContent,       ///< It is there, and its bytes are not those of its digest.
    kReferrerMissing,    ///< A signature, SBOM..., by referrers list or digest tag.
    kReferrerDifferent,  ///< A digest tag that names something else.
    kReferrerOnlyThere   ///< The source does not have it.
  };
  Kind kind = Kind::kManifestMissing;
  std::string name;          ///< Digest, or digest tag.
  std::string type;          ///< Artifact type, media type or platform, where known.
  std::string of;            ///< The digest that it is part of, or refers to.
  std::string source_value;  ///< kReferrerDifferent: the digest here,
  std::string target_value;  ///< and there.
};
std::string_view to_string(Difference::Kind kind);

/// An artifact at one target.
struct TargetComparison {
  enum class State : std::uint8_t {
    kEqual,
    kMissing,     ///< The tag (or digest) is not there.
    kDifferent,   ///< The tag is another digest.
    kIncomplete,  ///< The root is equal, but not all below and around it.
    kOnlyThere,   ///< The target has a tag that the source does not have.
    kNotThere,    ///< Of a tag that only other targets have: as at the source.
    kUnknown      ///< It could not be asked: `error`.
  };
  static constexpr std::size_t kMostDifferences = 200;

  State state = State::kUnknown;
  std::string digest;  ///< What the tag is there, where it was asked.
  std::vector<Difference> differences;
  std::uint64_t differences_omitted = 0;
  std::optional<Error> error;

  void add(Difference difference);
};
std::string_view to_string(TargetComparison::State state);

/// An artifact at all targets.
struct ArtifactComparison {
  std::string name;    ///< Reference at the source.
  std::string digest;  ///< At the source; empty where it is not there.
  std::vector<TargetComparison> targets;

  bool equal() const;
};

/// How many artifacts are how, at one target.
struct ComparisonCounts {
  std::uint64_t equal = 0, missing = 0, different = 0, incomplete = 0, only_there = 0, unknown = 0;
  void add(TargetComparison::State state);
  bool any_difference() const { return missing + different + incomplete + only_there > 0; }
};

/// What a comparison of one source with its targets came to. Memory does not grow with what is
/// equal: of artifacts that are not, `kMostArtifacts` are kept, the others counted.
struct ComparisonReport {
  static constexpr std::size_t kMostArtifacts = 10'000;

  std::string job;     ///< Empty: no job.
  std::string source;  ///< Repository or place.
  std::vector<std::string> targets;
  std::vector<ComparisonCounts> counts;  ///< By target.
  std::vector<ArtifactComparison> artifacts;
  std::uint64_t artifacts_omitted = 0;
  std::uint64_t compared = 0;  ///< Artifacts.
  std::uint64_t repositories = 0;
  std::vector<std::string> incomplete;  ///< Lists that were cut short or refused, and what follows.
  std::map<std::string, oci::RequestCounts> requests;  ///< By store.
  std::uint64_t bytes_read = 0;                        ///< Of blobs at the targets, to hash them.
  std::chrono::milliseconds took{};
  std::vector<std::string> warnings;
  std::vector<Error> errors;  ///< That concern no single artifact.

  /// Something differs.
  bool different() const;
  /// All could be asked.
  bool complete() const;
  /// `keep`: with its row, though it is equal everywhere.
  void add(ArtifactComparison artifact, bool keep = false);
};

}  // namespace transship::engine
