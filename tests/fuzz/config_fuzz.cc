#include "config/config.h"
#include "fuzz/entry.h"

namespace transship::fuzz {
namespace {

void run_config(std::string_view input) {
  const auto config = config::parse_config(input, "jobs.toml");
  if (!config) {
    require(config.error().message.starts_with("jobs.toml") ||
                config.error().message.find("jobs.toml") != std::string::npos,
            "an error names the file");
    return;
  }
  for (const config::JobConfig& job : config->jobs) {
    require(!job.name.empty(), "a job has a name");
    require(!job.source.empty() && !job.targets.empty(), "a job has two ends");
  }
}

[[maybe_unused]] const bool kAdded = add_entry("config", run_config);

}  // namespace
}  // namespace transship::fuzz
