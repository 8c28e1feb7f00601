#include "cli/commands/choices.h"

#include <algorithm>

#include "base/text.h"
#include "cli/sync_stores.h"

namespace transship::cli {

Result<std::vector<engine::SyncJob>> chosen_jobs(const config::Config& config,
                                                 const std::vector<std::string>& names) {
  std::vector<engine::SyncJob> out;
  for (const std::string& name : names) {
    if (std::ranges::find(config.jobs, name, &config::JobConfig::name) == config.jobs.end()) {
      return fail(Errc::kInvalidArgument, "--job " + name + ": no such job in " + config.file);
    }
  }
  for (const config::JobConfig& job : config.jobs) {
    if (!names.empty() && std::ranges::find(names, job.name) == names.end()) continue;
    Result<engine::SyncJob> made = sync_job(job);
    if (!made) {
      Error error = std::move(made).error().within(config.file + ": job " + job.name);
      error.code = Errc::kInvalidArgument;
      return std::unexpected(std::move(error));
    }
    out.push_back(std::move(*made));
  }
  return out;
}

Result<engine::ReferrerChoice> referrer_choice(const std::string& text) {
  engine::ReferrerChoice out;
  using Which = engine::ReferrerChoice::Which;
  if (text == "all") return out;
  if (text == "none") {
    out.which = Which::kNone;
    return out;
  }
  out.which = Which::kTypes;
  for (const auto type : split(text, ',')) {
    if (trim(type).empty()) {
      return fail(Errc::kInvalidArgument, "--referrers: an empty artifact type in '" + text + "'");
    }
    out.types.emplace_back(trim(type));
  }
  return out;
}

Result<std::vector<oci::Platform>> platforms(const std::vector<std::string>& texts) {
  std::vector<oci::Platform> out;
  for (const auto& text : texts) {
    TS_TRY(auto platform, oci::Platform::parse(text));
    out.push_back(std::move(platform));
  }
  return out;
}

}  // namespace transship::cli
