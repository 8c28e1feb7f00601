#include "cli/sync_stores.h"

namespace transship::cli {

namespace {

engine::Place place(const std::string& text) {
  const auto slash = text.find('/');
  if (slash == std::string::npos) return {.store = text, .prefix = ""};
  return {.store = text.substr(0, slash), .prefix = text.substr(slash + 1)};
}

engine::ReferrerChoice referrers(const config::JobConfig& job) {
  engine::ReferrerChoice out;
  using Which = engine::ReferrerChoice::Which;
  if (job.referrers == "none") out.which = Which::kNone;
  if (job.referrers == "types") out.which = Which::kTypes;
  out.types = job.referrer_types;
  return out;
}

Result<engine::TagRule> tag_rule(const config::TagSelection& tags) {
  engine::TagRule out;
  out.names = {.include = tags.globs.include, .exclude = tags.globs.exclude};
  if (!tags.semver.empty()) {
    TS_TRY(out.semver, oci::VersionRange::parse(tags.semver));
  }
  out.latest = tags.latest;
  if (tags.sort == "name") out.sort = engine::TagRule::Sort::kName;
  return out;
}

Result<engine::PinnedArtifact> pinned(const std::string& text) {
  const auto at = text.find('@');
  if (at == std::string::npos) {
    return fail(Errc::kInvalidArgument, "pinned: '" + text + "' is not repository@digest");
  }
  engine::PinnedArtifact out{.repository = text.substr(0, at), .digest = {}};
  TS_TRY(out.digest, oci::Digest::parse(text.substr(at + 1)));
  return out;
}

}  // namespace

Result<engine::SyncJob> sync_job(const config::JobConfig& job) {
  engine::SyncJob out;
  out.name = job.name;
  out.source = place(job.source);
  for (const std::string& target : job.targets) out.targets.push_back(place(target));
  out.repositories = {.include = job.repositories.include, .exclude = job.repositories.exclude};
  TS_TRY(out.tags, tag_rule(job.tags));
  for (const config::Rename& one : job.renames) out.renames.push_back({one.from, one.to});
  for (const std::string& text : job.pinned) {
    TS_TRY(auto one, pinned(text));
    out.pinned.push_back(std::move(one));
  }
  for (const std::string& text : job.platforms) {
    TS_TRY(auto platform, oci::Platform::parse(text));
    out.copy.platforms.push_back(std::move(platform));
  }
  out.copy.referrers = referrers(job);
  out.copy.overwrite = job.overwrite == "always";
  return out;
}

Task<Result<engine::SyncStores::Page>> RegistryPlaces::catalog(std::optional<std::string> cursor) {
  TS_CO_TRY(auto page, co_await stores_.registry(job_.source.store).catalog(std::move(cursor)));
  co_return Page{.repositories = std::move(page.repositories),
                 .invalid = page.invalid,
                 .next = std::move(page.next)};
}

std::unique_ptr<oci::SourceRepository> RegistryPlaces::source(const oci::RepositoryName& name) {
  return stores_.registry(job_.source.store).repository(name, registry::Access::kPull);
}

std::unique_ptr<oci::TargetRepository> RegistryPlaces::target(std::size_t index,
                                                              const oci::RepositoryName& name) {
  return stores_.registry(job_.targets[index].store).repository(name, access_);
}

oci::RequestCounts RegistryPlaces::counts(const std::string& store) {
  return stores_.registry(store).counts();
}

std::chrono::nanoseconds RegistryPlaces::held_back(const std::string& store) {
  return stores_.held_back(store);
}

}  // namespace transship::cli
