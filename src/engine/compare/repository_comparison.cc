#include "engine/compare/repository_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "engine/retry.h"
#include "oci/manifest.h"

namespace transship::engine {
namespace {

// The host does not answer; a list that is refused says nothing of single tags.
bool of_the_host(const Error& error) {
  return error.retryable || error.code == Errc::kConnect || error.code == Errc::kResolve ||
         error.code == Errc::kTls;
}

std::vector<std::string> digest_tags_of(const std::vector<std::string>& tags) {
  std::vector<std::string> out;
  std::ranges::copy_if(tags, std::back_inserter(out), [](const std::string& tag) {
    return oci::parse_digest_tag(tag).has_value();
  });
  return out;
}

}  // namespace

RepositoryComparer::RepositoryComparer(ComparisonState& state, What what, const Executor& executor)
    : state_(state),
      what_(std::move(what)),
      executor_(executor),
      source_(state.run, *what_.source),
      artifacts_(executor, TaskGroup::OnFailure::kKeepGoing) {
  for (oci::TargetRepository* target : what_.targets) {
    targets_.push_back(std::make_unique<Target>(state.run, *target));
  }
}

RepositoryComparer::~RepositoryComparer() {
  for (const auto& target : targets_) {
    state_.run.end_target(target->view.id());
    state_.run.blobs.forget_repository(target->view.id());
  }
}

Task<Result<void>> RepositoryComparer::run() {
  TaskGroup looks(executor_, TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) looks.spawn(look_at_target(i));
  Result<void> done = co_await looks.join();
  if (done && what_.tags) done = co_await compare_tags();
  state_.run.context.progress.to_compare(what_.pinned.size());
  for (const oci::Digest& digest : what_.pinned) {
    if (done) done = co_await start(oci::ManifestName::by_digest(digest));
  }
  const Result<void> joined = co_await artifacts_.join();
  ++state_.report.repositories;
  co_return done ? joined : done;
}

// Lists lie: at the depths that look at content each tag is asked itself.
bool RepositoryComparer::lists_count() const {
  return state_.options.depth <= CompareDepth::kManifests && state_.options.platforms.empty();
}

Task<RepositoryComparer::Listing> RepositoryComparer::list(oci::SourceRepository& repository,
                                                           Side side) {
  const std::string what = "list tags of " + repository.id().to_string();
  Listing out;
  std::size_t invalid = 0;
  std::optional<std::string> cursor;
  do {
    Result<oci::TagPage> page = co_await with_retries<oci::TagPage>(state_.run.context, what, [&] {
      return lists_count() ? repository.tags_with_digests(cursor) : repository.tags(cursor);
    });
    if (!page) {
      out.error = std::move(page).error().within(what).on(side);
      break;
    }
    for (std::size_t i = 0; i < page->digests.size(); ++i) {
      if (page->digests[i]) out.digests.try_emplace(page->tags[i], std::move(page->digests[i]));
    }
    std::ranges::move(page->tags, std::back_inserter(out.tags));
    invalid += page->invalid;
    cursor = std::move(page->next);
    if (page->cut) {
      out.error = Error{.code = Errc::kTooLarge,
                        .message = what + ": the registry's list ends before all were named",
                        .side = side};
    }
  } while (cursor);
  if (invalid > 0) {
    state_.run.warn(
        fmt::format("{}: {} entries are no valid tags, and were left out", what, invalid));
  }
  co_return out;
}

Task<Result<void>> RepositoryComparer::look_at_target(std::size_t index) {
  Target& target = *targets_[index];
  if (state_.health.given_up(index)) {
    state_.health.left_out(index);
    target.refused = state_.health.verdict(index);
    co_return Result<void>{};
  }
  if (!what_.tags) co_return Result<void>{};
  Listing listing = co_await list(*target.repository, Side::kTarget);
  if (listing.error && listing.error->code == Errc::kCancelled) {
    co_return std::unexpected(std::move(*listing.error));
  }
  target.listed = !listing.error || listing.error->absent();
  if (target.listed) {
    state_.health.succeeded(index);
    target.view.set_digest_tags(digest_tags_of(listing.tags));
    target.tags = std::move(listing.digests);
    for (std::string& tag : listing.tags) target.tags.try_emplace(std::move(tag));
    co_return Result<void>{};
  }
  if (of_the_host(*listing.error)) {
    state_.health.failed(index, *listing.error);
    target.refused = std::move(listing.error);
    co_return Result<void>{};
  }
  if (!state_.options.ignore_extra) {
    incomplete(fmt::format("{}: {}; tags that only it has are not known",
                           target.view.id().to_string(), listing.error->describe()));
  }
  co_return Result<void>{};
}

// The tags of the source that are asked for. Where its list was cut short: those of the listed
// ones of which that can be said.
RepositoryComparer::Tags RepositoryComparer::chosen(Listing& listing) {
  Tags out;
  for (std::string& tag : listing.tags) {
    if (!seen_.insert(tag).second) continue;
    if (state_.tags.match(tag)) out.push_back(std::move(tag));
  }
  if (listing.error && state_.tags.latest > 0) return {};
  return latest_of(state_.tags, std::move(out));
}

Task<Result<void>> RepositoryComparer::compare_tags() {
  Listing listing = co_await list(source_.repository(), Side::kSource);
  const std::optional<Error> error = listing.error;
  if (error && error->code == Errc::kCancelled) co_return std::unexpected(*error);
  if (error && error->absent() && !what_.named) {
    // Catalogs list what was deleted since.
    state_.run.warn(
        fmt::format("{} is in the catalog, and is not there", source_.id().to_string()));
    co_return Result<void>{};
  }
  source_.set_digest_tags(digest_tags_of(listing.tags), !error);
  const Tags tags = chosen(listing);
  if (error) {
    incomplete(fmt::format(
        "{}: {}; {}", source_.id().to_string(), error->describe(),
        tags.empty() ? std::string("nothing of it is compared")
                     : fmt::format("{} tags that were listed are compared", tags.size())));
  }
  state_.run.context.progress.to_compare(tags.size());
  for (const std::string& tag : tags) {
    TS_CO_TRY(co_await start(oci::ManifestName::by_tag(tag), listing.digests[tag]));
  }
  if (!error && !state_.options.ignore_extra) only_there();
  co_return Result<void>{};
}

Task<Result<void>> RepositoryComparer::start(oci::ManifestName name,
                                             std::optional<oci::Digest> listed) {
  TS_CO_TRY(Slots::Held slot, co_await state_.artifacts.take());
  artifacts_.spawn(one(std::move(name), std::move(listed), std::move(slot)));
  co_return Result<void>{};
}

Task<Result<void>> RepositoryComparer::one(oci::ManifestName name,
                                           std::optional<oci::Digest> listed, Slots::Held) {
  std::vector<ComparedTarget> targets;
  for (const auto& target : targets_) {
    ComparedTarget& to = targets.emplace_back();
    to.repository = target->repository;
    to.view = &target->view;
    to.tag = name.name;
    const auto there = name.digest ? target->tags.end() : target->tags.find(name.name);
    to.tag_absent = !name.digest && target->listed && there == target->tags.end();
    if (there != target->tags.end()) to.listed = there->second;
    to.refused = target->refused;
  }
  ArtifactComparer comparer(state_.run, source_, state_.options, std::move(targets),
                            state_.report.bytes_read);
  state_.add(co_await comparer.run(std::move(name), std::move(listed)));
  co_return co_await check_cancelled();
}

// Tags that the job would take, and that the source does not have.
void RepositoryComparer::only_there() {
  std::map<std::string, std::vector<std::size_t>> extra;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    for (const auto& [tag, digest] : targets_[i]->tags) {
      if (!seen_.contains(tag) && state_.tags.match(tag)) extra[tag].push_back(i);
    }
  }
  for (const auto& [tag, where] : extra) {
    ArtifactComparison one;
    one.name = fmt::format("{}:{}", source_.id().to_string(), tag);
    one.targets.resize(targets_.size());
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const bool known = targets_[i]->listed;
      one.targets[i].state =
          known ? TargetComparison::State::kNotThere : TargetComparison::State::kUnknown;
      if (!known) one.targets[i].error = targets_[i]->refused;
    }
    for (const std::size_t i : where) {
      one.targets[i].state = TargetComparison::State::kOnlyThere;
    }
    state_.report.add(std::move(one));
  }
}

}  // namespace transship::engine
