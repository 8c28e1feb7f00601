#pragma once

#include <string>
#include <vector>

#include "server/tree/layout_tree.h"
#include "server/tree/tag_log.h"

namespace transship::server {

/// Adds to `changes` what an index.json of another program does not tell: children of indexes, and
/// the subjects of all manifests, by reading them. Blocks; on the pool. What cannot be read is left
/// out.
void complete_foreign_layout(const LayoutTree& tree, const std::string& repository,
                             std::vector<Change>& changes);

}  // namespace transship::server
