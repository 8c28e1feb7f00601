#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "engine/sync/sync.h"

namespace transship::cli {

// What users choose on the command line, as the engine takes it.

/// The jobs that were asked for, in the order of the file; all of them where no name is given.
Result<std::vector<engine::SyncJob>> chosen_jobs(const config::Config& config,
                                                 const std::vector<std::string>& names);

/// --referrers: all, none, or artifact types with commas.
Result<engine::ReferrerChoice> referrer_choice(const std::string& text);

/// --platform.
Result<std::vector<oci::Platform>> platforms(const std::vector<std::string>& texts);

}  // namespace transship::cli
