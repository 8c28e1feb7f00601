#include "engine/evidence.h"

namespace transship::engine {

Evidence::Evidence(RunState&, SourceView&, ManifestCommit&, GraphWalk&, const CopyOptions&) {}

}  // namespace transship::engine
