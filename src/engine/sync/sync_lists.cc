#include <fmt/format.h>

#include <numeric>

#include "engine/retry.h"
#include "engine/sync/sync_repository.h"
#include "oci/manifest.h"

// What the lists of a repository say, on both sides: which tags there are, and which are taken.

namespace transship::engine {
namespace {

// What a target that failed to list its tags has to answer in, before others go on without it.
constexpr auto kPatience = std::chrono::seconds(10);
// Repositories beside those in flight, each with a page of tags of every side.
constexpr std::size_t kMostSetAside = 64;

std::optional<oci::Digest> digest_at(const oci::TagPage& page, std::size_t index) {
  return page.digests.empty() ? std::nullopt : page.digests[index];
}

}  // namespace

Task<Result<oci::TagPage>> RepositorySync::page(oci::SourceRepository& repository,
                                                std::optional<std::string> cursor, Side side,
                                                bool* failing) {
  const std::string what = "list tags of " + repository.id().to_string();
  // Strict means that each tag is asked itself.
  const bool digests = !pass_.options.strict;
  const auto attempt = [&]() -> Task<Result<oci::TagPage>> {
    Result<oci::TagPage> got =
        co_await (digests ? repository.tags_with_digests(cursor) : repository.tags(cursor));
    if (failing != nullptr) *failing = !got;
    co_return got;
  };
  Result<oci::TagPage> page = co_await with_retries<oci::TagPage>(pass_.run.context, what, attempt);
  if (!page) co_return std::unexpected(std::move(page).error().within(what).on(side));
  co_return page;
}

// Many long lists at once would not fit in memory: a repository whose list goes on after its first
// page takes its turn, with all of its lists. While it waits, smaller ones pass.
Task<Result<void>> RepositorySync::take_turn() {
  TS_CO_TRY(co_await long_lists_.get(0, [this]() -> Task<Result<bool>> {
    if (lane_.long_lists.all_waiting() < kMostSetAside) slot_.release();
    TS_CO_TRY(long_list_, co_await lane_.long_lists.take());
    co_return true;
  }));
  co_return Result<void>{};
}

Task<Result<void>> RepositorySync::look_at_targets() {
  TaskGroup looks(executor_, TaskGroup::OnFailure::kKeepGoing);
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].live) looks.spawn(look_at_target(i));
  }
  TaskGroup patience(executor_, TaskGroup::OnFailure::kKeepGoing);
  if (first_walk()) patience.spawn(leave_out_late());
  Result<void> looked = co_await looks.join();
  patience.cancel();
  (void)co_await patience.join();
  co_return looked;
}

// A target that fails is asked again until it is given up: others do not wait for that.
Task<Result<void>> RepositorySync::leave_out_late() {
  TimeSource& time = pass_.run.context.time;
  while (true) {
    TS_CO_TRY(co_await time.sleep_until(time.now() + kPatience));
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const Target& target = targets_[i];
      if (target.live && target.look != nullptr && target.failing) pass_.slow.fails(i);
    }
  }
}

// Alone in a group: who is left out is not looked at any more.
Task<Result<void>> RepositorySync::look_at_target(std::size_t index) {
  TaskGroup look(executor_);
  targets_[index].look = &look;
  look.spawn(list_target(index));
  Result<void> listed = co_await look.join();
  targets_[index].look = nullptr;
  if (!targets_[index].live) co_return Result<void>{};
  co_return listed;
}

// One list in place of a question for each tag. A repository that is not there has no tags; where
// the list is refused each tag is asked.
Task<Result<void>> RepositorySync::list_target(std::size_t index) {
  Target& target = targets_[index];
  const Clock::time_point begin = pass_.run.context.time.now();
  std::optional<std::string> cursor;
  bool cut = false;
  do {
    if (cursor) TS_CO_TRY(co_await take_turn());
    Result<oci::TagPage> got =
        co_await page(*target.repository, std::move(cursor), Side::kTarget, &target.failing);
    if (!got && got.error().absent()) break;
    if (!got) {
      target.tags.clear();
      if (!target.live) co_return Result<void>{};
      const Error& error = got.error();
      if (error.code == Errc::kCancelled) co_return std::unexpected(error);
      if (error.retryable || error.code == Errc::kConnect || error.code == Errc::kResolve) {
        target.live = false;
        pass_.keeper.fail(source_text(), index, error);
        pass_.health.failed(index, error);
      }
      co_return Result<void>{};
    }
    for (std::size_t i = 0; i < got->tags.size(); ++i) {
      target.tags.add(got->tags[i], digest_at(*got, i));
    }
    cut = cut || got->cut;
    cursor = std::move(got->next);
  } while (cursor);
  // Of a list that was cut it is known what is there, not what is not.
  if (!cut) target.listed = begin;
  pass_.health.succeeded(index);
  co_return Result<void>{};
}

void RepositorySync::take(const oci::TagPage& page) {
  invalid_ += page.invalid;
  for (std::size_t i = 0; i < page.tags.size(); ++i) {
    const std::string& tag = page.tags[i];
    if (oci::parse_digest_tag(tag)) {
      digest_tags_.add(tag, std::nullopt);
    } else if (pass_.job.tags.match(tag)) {
      taken_.add(tag, digest_at(page, i));
    }
  }
}

RepositorySync::Indexes RepositorySync::taken_since(std::size_t first) const {
  Indexes out(taken_.size() - first);
  std::iota(out.begin(), out.end(), static_cast<std::uint32_t>(first));
  return out;
}

RepositorySync::Indexes RepositorySync::chosen() const {
  Indexes out = taken_since(0);
  if (pass_.job.tags.latest == 0) return out;
  Tags names;
  for (const std::uint32_t index : out) names.emplace_back(taken_.tag(index));
  out.clear();
  for (const std::string& name : latest_of(pass_.job.tags, std::move(names))) {
    out.push_back(*taken_.find(name));
  }
  return out;
}

void RepositorySync::cut_short(const Error& error) {
  cut_short_ = true;
  if (error.absent() && !what_.named) {
    // Catalogs list what was deleted since (mcr.microsoft.com, and docker's own for ever).
    pass_.run.warn(fmt::format("{} is in the catalog, and is not there", source_text()));
    return;
  }
  pass_.keeper.incomplete(source_text());
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i].live) pass_.keeper.fail(source_text(), i, error);
  }
}

// What another walk found, and this one did not: a list failed, or a tag is gone since.
void RepositorySync::end_told() {
  const bool failed = cut_short_ || live_targets().empty();
  for (; told_before_ > 0; --told_before_) {
    for (const std::size_t i : served_) {
      pass_.keeper.ended_early(i, failed ? ItemOutcome::kFailed : ItemOutcome::kSkipped);
    }
  }
}

// Signatures under digest tags, and newer tags, may be among what was not listed.
void RepositorySync::withheld(std::size_t tags) {
  pass_.run.warn(fmt::format(
      "{}: its list of tags was cut short: {} tags that were listed are not copied, as {}",
      source_text(), tags,
      pass_.job.tags.latest > 0 ? "which are the latest cannot be told"
                                : "signatures under digest tags may be among the others"));
}

Task<Result<void>> RepositorySync::walk_tags() {
  TaskGroup looks(executor_, TaskGroup::OnFailure::kKeepGoing);
  looks.spawn(look_at_targets());
  Result<oci::TagPage> got = oci::TagPage{};
  if (what_.tags) got = co_await page(*source_, std::nullopt, Side::kSource);
  TS_CO_TRY(co_await looks.join());
  if (live_targets().empty()) co_return Result<void>{};

  const bool whole =
      pass_.job.tags.latest > 0 || pass_.job.copy.referrers.which != ReferrerChoice::Which::kNone;
  while (got) {
    const std::size_t before = taken_.size();
    take(*got);
    if (got->next) TS_CO_TRY(co_await take_turn());
    if (!whole) TS_CO_TRY(co_await start(taken_since(before)));
    if (got->cut) {
      got = fail(Errc::kTooLarge, "the registry ends its list at so many tags, more are likely");
      got.error().side = Side::kSource;
      break;
    }
    if (!got->next) break;
    got = co_await page(*source_, std::move(got->next), Side::kSource);
  }
  if (!got) {
    if (got.error().code == Errc::kCancelled) co_return std::unexpected(std::move(got).error());
    cut_short(got.error());
    if (whole && taken_.size() > 0) withheld(taken_.size());
    co_return Result<void>{};
  }
  if (!whole) co_return Result<void>{};
  if (what_.tags) {
    Tags digest_tags;
    for (std::uint32_t i = 0; i < digest_tags_.size(); ++i) {
      digest_tags.emplace_back(digest_tags_.tag(i));
    }
    digest_tags_.clear();
    view_.set_digest_tags(digest_tags);
  }
  co_return co_await start(chosen());
}

}  // namespace transship::engine
