#pragma once

#include "config/config.h"
#include "config/toml_table.h"

namespace transship::config {

/// Complains at `table` of a job whose places cannot go together, alone or with the jobs that
/// `config` has already: a target that is its own source or lies within it, results that a later
/// pass would copy one level deeper, copies within a host of too few connections.
void check_places(const TomlTable& table, const JobConfig& job, const Config& config);

}  // namespace transship::config
