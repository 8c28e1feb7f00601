#pragma once

#include "engine/copy.h"
#include "engine/graph_walk.h"

namespace transship::engine {

/// Brings what refers to an artifact: for every manifest the walk meets, its referrers (by API or
/// fallback tag, nested) and its digest tags. Each manifest is looked at once, so lists that lie in
/// a ring end.
class Evidence {
 public:
  Evidence(RunState& run, SourceView& source, ManifestCommit& commits, GraphWalk& walk,
           const CopyOptions& options);
};

}  // namespace transship::engine
