#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "oci/names.h"

namespace transship::engine {

/// A repository that is called otherwise at the targets: an exact name, or a prefix that ends in
/// "/" (then both do, or `to` is empty). Names are those below the job's source prefix.
struct RepositoryRename {
  std::string from, to;
};

/// What `name` is called at the targets: the exact rename, else the longest prefix that fits, else
/// its own name.
std::string renamed(const std::vector<RepositoryRename>& renames, std::string_view name);

/// "prefix/name"; either may be empty. kMalformed where that is no repository name (too long).
Result<oci::RepositoryName> below(std::string_view prefix, std::string_view name);

}  // namespace transship::engine
