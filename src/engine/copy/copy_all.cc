#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/copy/artifact_copy.h"
#include "engine/copy/copy.h"
#include "engine/copy/copy_report.h"
#include "engine/retry.h"

namespace transship::engine {
namespace {

/// Artifacts in flight together: enough to keep the blob slots busy with small images.
constexpr std::size_t kArtifacts = 16;

class CopyAll {
 public:
  CopyAll(const Context& context, oci::SourceRepository& source,
          const std::vector<CopyTarget>& targets, const CopyOptions& options, Executor executor)
      : run_(context, options.dry_run),
        keeper_(run_, source, targets),
        view_(run_, source),
        blobs_(run_, source),
        commits_(run_, view_, blobs_),
        targets_(targets),
        options_(options),
        executor_(std::move(executor)),
        artifacts_(kArtifacts) {
    run_.uploads = options.uploads;
  }

  Task<Report> run();

 private:
  struct TagList {
    std::vector<std::string> tags;  ///< Sorted, each once.
    bool cut = false;               ///< There may be others.
  };
  Task<Result<TagList>> list_tags(oci::SourceRepository& repository, Side side);
  Task<Result<void>> look_at_target(std::size_t index);
  Task<Result<void>> copy(std::string tag, Slots::Held slot);
  Task<Result<void>> all();

  RunState run_;
  ReportKeeper keeper_;
  SourceView view_;
  BlobPlacement blobs_;
  ManifestCommit commits_;
  const std::vector<CopyTarget>& targets_;
  const CopyOptions& options_;
  Executor executor_;
  Slots artifacts_;
  std::vector<std::set<std::string>> there_;              ///< By target: tags that it has.
  std::vector<std::optional<Clock::time_point>> listed_;  ///< When that was.
};

Task<Result<CopyAll::TagList>> CopyAll::list_tags(oci::SourceRepository& repository, Side side) {
  const std::string what = "list tags of " + repository.id().to_string();
  TagList out;
  std::vector<std::string>& tags = out.tags;
  std::size_t invalid = 0;
  std::optional<std::string> cursor;
  do {
    TS_CO_TRY(co_await check_cancelled());
    Result<oci::TagPage> page = co_await with_retries<oci::TagPage>(
        run_.context, what, [&] { return repository.tags(cursor); });
    if (!page) co_return std::unexpected(std::move(page).error().within(what).on(side));
    std::ranges::move(page->tags, std::back_inserter(tags));
    invalid += page->invalid;
    out.cut = out.cut || page->cut;
    cursor = std::move(page->next);
  } while (cursor);
  if (invalid > 0) {
    run_.warn(fmt::format("{}: {} entries are no valid tags, and were left out", what, invalid));
  }
  std::ranges::sort(tags);
  const auto repeated = std::ranges::unique(tags);
  tags.erase(repeated.begin(), repeated.end());
  co_return out;
}

// One list in place of a question for each tag.
Task<Result<void>> CopyAll::look_at_target(std::size_t index) {
  const Clock::time_point begin = run_.context.time.now();
  Result<TagList> list = co_await list_tags(*targets_[index].repository, Side::kTarget);
  if (!list && list.error().code == Errc::kCancelled) {
    co_return std::unexpected(std::move(list).error());
  }
  // A repository that is not there yet has no tags. Where the list is refused each tag is asked;
  // where it was cut, those that it does not name.
  const bool whole = list ? !list->cut : list.error().absent();
  if (whole) listed_[index] = begin;
  if (list) there_[index] = std::set<std::string>(list->tags.begin(), list->tags.end());
  co_return Result<void>{};
}

Task<Result<void>> CopyAll::copy(std::string tag, Slots::Held) {
  std::vector<CopyTarget> targets = targets_;
  for (CopyTarget& target : targets) target.tag = tag;
  ArtifactCopy copy({run_, view_, blobs_, commits_, options_}, oci::ManifestName::by_tag(tag),
                    targets, executor_);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    if (listed_[i] && !there_[i].contains(tag)) copy.expect_no_tag(i, *listed_[i]);
    if (!there_[i].empty()) copy.expect_content(i);
  }
  keeper_.add(co_await copy.run());
  co_return Result<void>{};
}

Task<Result<void>> CopyAll::all() {
  TS_CO_TRY(TagList list, co_await list_tags(view_.repository(), Side::kSource));
  view_.set_digest_tags(list.tags, !list.cut);
  std::vector<std::string> tags = std::move(list.tags);
  std::erase_if(tags,
                [](const std::string& tag) { return oci::parse_digest_tag(tag).has_value(); });
  there_.resize(targets_.size());
  listed_.resize(targets_.size());
  for (std::size_t i = 0; i < targets_.size(); ++i) TS_CO_TRY(co_await look_at_target(i));
  TaskGroup group(executor_, TaskGroup::OnFailure::kKeepGoing);
  Result<void> result;
  for (const std::string& tag : tags) {
    Result<Slots::Held> slot = co_await artifacts_.take();
    if (!slot) {
      result = std::unexpected(std::move(slot).error());
      break;
    }
    group.spawn(copy(tag, std::move(*slot)));
  }
  Result<void> joined = co_await group.join();
  if (!result || !joined) co_return result ? joined : result;
  if (!list.cut) co_return Result<void>{};
  co_return std::unexpected(
      Error{.code = Errc::kTooLarge,
            .message = fmt::format("list tags of {}: the registry ends its list at so many tags; "
                                   "more are likely, and were not copied",
                                   view_.id().to_string()),
            .side = Side::kSource}
          .with_hint("copy the others by name"));
}

Task<Report> CopyAll::run() {
  Result<void> done = co_await all();
  if (!done) keeper_.add_failure(view_.id().to_string(), done.error());
  co_return keeper_.finish();
}

}  // namespace

Task<Report> copy_all_tags(const Context& context, oci::SourceRepository& source,
                           std::vector<CopyTarget> targets, const CopyOptions& options) {
  CopyAll all(context, source, targets, options, co_await current_executor());
  co_return co_await all.run();
}

}  // namespace transship::engine
