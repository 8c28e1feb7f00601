#include "engine/sync/discovery.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/retry.h"

namespace transship::engine {
namespace {

// The name below the prefix; nothing where it is elsewhere.
std::optional<std::string> name_below(const std::string& prefix, const std::string& name) {
  if (prefix.empty()) return name;
  if (!name.starts_with(prefix + "/")) return std::nullopt;
  return name.substr(prefix.size() + 1);
}

}  // namespace

bool overlap(const Place& a, const Place& b) {
  if (a.store != b.store) return false;
  return a.prefix.empty() || b.prefix.empty() || (a.prefix + "/").starts_with(b.prefix + "/") ||
         (b.prefix + "/").starts_with(a.prefix + "/");
}

bool is_plain_name(std::string_view pattern) {
  return pattern.find_first_of("*?") == std::string_view::npos;
}

Discovery::Discovery(RunState& run, SyncStores& stores, const SyncJob& job)
    : run_(run), stores_(stores), job_(job) {}

bool Discovery::may_collide() const {
  if (!job_.renames.empty()) return true;
  for (std::size_t i = 0; i < job_.targets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (overlap(job_.targets[i], job_.targets[j])) return true;
    }
  }
  return false;
}

Result<SyncRepository> Discovery::make(const std::string& name) const {
  SyncRepository out;
  TS_TRY(out.source, below(job_.source.prefix, name));
  const std::string there = renamed(job_.renames, name);
  for (const Place& target : job_.targets) {
    TS_TRY(auto repository, below(target.prefix, there));
    out.targets.push_back(std::move(repository));
  }
  for (const PinnedArtifact& one : job_.pinned) {
    if (one.repository == name) out.pinned.push_back(one.digest);
  }
  return out;
}

Result<void> Discovery::offer(const std::string& name, bool named) {
  const bool tags = job_.repositories.match(name);
  const bool pinned =
      std::ranges::any_of(job_.pinned, [&](const auto& one) { return one.repository == name; });
  if ((!tags && !pinned) || !given_.insert(name).second) return {};
  Result<SyncRepository> made = make(name);
  if (!made) return std::unexpected(std::move(made).error().within("repository " + name));
  for (std::size_t i = 0; i < job_.targets.size(); ++i) {
    const std::string there = job_.targets[i].store + "/" + made->targets[i].str();
    const auto [other, first] = taken_.emplace(there, name);
    if (first) continue;
    return fail(Errc::kInvalidArgument,
                fmt::format("job {}: {} and {} would both become {}: rename one of them, or "
                            "exclude it",
                            job_.name, other->second, name, there));
  }
  made->tags = tags;
  made->named = named;
  ready_.push_back(std::move(*made));
  return {};
}

Task<Result<void>> Discovery::read_page() {
  const std::string what = "list repositories of " + job_.source.store;
  Result<SyncStores::Page> page = co_await with_retries<SyncStores::Page>(
      run_.context, what, [&] { return stores_.catalog(cursor_); });
  if (!page) {
    listed_ = true;
    Error error = std::move(page).error().within(what).on(Side::kSource);
    if (error.code == Errc::kUnsupported || error.code == Errc::kUnauthorized ||
        error.code == Errc::kDenied || error.code == Errc::kNotFound) {
      error.hint = fmt::format(
          "the registry lists no repositories: name them, without * and ?, in repositories of job "
          "{}",
          job_.name);
    }
    co_return std::unexpected(std::move(error));
  }
  if (page->invalid > 0) {
    run_.warn(
        fmt::format("{}: {} entries are no valid names, and were left out", what, page->invalid));
  }
  cursor_ = std::move(page->next);
  listed_ = !cursor_;
  for (const std::string& full : page->repositories) {
    const auto name = name_below(job_.source.prefix, full);
    if (name) TS_CO_TRY(offer(*name, false));
  }
  co_return Result<void>{};
}

Task<Result<void>> Discovery::read_all() {
  const auto& include = job_.repositories.include;
  if (!include.empty() && std::ranges::all_of(include, is_plain_name)) {
    listed_ = true;
    for (const std::string& name : include) TS_CO_TRY(offer(name, true));
  }
  for (const PinnedArtifact& one : job_.pinned) {
    if (!job_.repositories.match(one.repository)) TS_CO_TRY(offer(one.repository, true));
  }
  while (!listed_ && may_collide()) TS_CO_TRY(co_await read_page());
  co_return Result<void>{};
}

Task<Result<std::optional<SyncRepository>>> Discovery::next() {
  if (!std::exchange(begun_, true)) {
    Result<void> all = co_await read_all();
    if (!all) {
      listed_ = true;
      // Nothing moves when names collide, or when they could and the list was cut short.
      ready_.clear();
      co_return std::unexpected(std::move(all).error());
    }
  }
  while (ready_.empty() && !listed_) {
    TS_CO_TRY(co_await check_cancelled());
    TS_CO_TRY(co_await read_page());
  }
  if (ready_.empty()) co_return std::optional<SyncRepository>();
  std::optional<SyncRepository> out(std::move(ready_.front()));
  ready_.pop_front();
  co_return out;
}

}  // namespace transship::engine
