#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/graph/referrer_choice.h"
#include "engine/report.h"
#include "oci/store.h"
#include "storage/journal.h"

namespace transship::engine {

struct CopyOptions {
  ReferrerChoice referrers;
  std::vector<oci::Platform> platforms;  ///< Empty: all, digests stay as they are.
  bool overwrite = true;                 ///< Of target tags that exist with another digest.
  bool dry_run = false;
  storage::Journal* uploads = nullptr;  ///< Where uploads in flight are kept; or nothing.
  /// A source tag that was resolved longer ago is looked at again before a target's is written.
  std::chrono::milliseconds tag_good_for{60'000};
};

/// One place to copy to.
struct CopyTarget {
  oci::TargetRepository* repository = nullptr;
  std::string tag;  ///< Empty: by digest only (or, with all tags, the source's own names).
};

/// Copies one artifact, all below it and all that refers to it, to every target; the source is read
/// once. Order at each target: blobs, child manifests, the root by digest with its referrers (when
/// something refers to it), last the tag (invariant 2). Ends with a report in any case: failures
/// of one target do not touch the others; they are in `Report::items`.
[[nodiscard]] Task<Report> copy_artifact(const Context& context, oci::SourceRepository& source,
                                         oci::ManifestName root, std::vector<CopyTarget> targets,
                                         const CopyOptions& options);

/// The same for every tag of the source's repository. Digest tags follow their subjects. Blobs that
/// several tags share move once.
[[nodiscard]] Task<Report> copy_all_tags(const Context& context, oci::SourceRepository& source,
                                         std::vector<CopyTarget> targets,
                                         const CopyOptions& options);

}  // namespace transship::engine
