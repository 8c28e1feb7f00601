#include <fmt/format.h>

#include <unordered_set>

#include "base/text.h"
#include "registry/error_body.h"
#include "registry/lists/lists.h"
#include "registry/repository.h"

namespace transship::registry {

using oci::Referrers;
using oci::ReferrersBy;
using transport::Method;
using transport::Response;

namespace {

constexpr std::chrono::minutes kSupportMemory{5};

// protocol.md 3.1: answers that mean "no such API", not "no referrers" and not "try later".
bool means_unsupported(const Response& response) {
  switch (response.status) {
    case 200:
      return content_type(response) != oci::media_type::kOciIndex;
    case 400:
      return !has_error_code(response, "DIGEST_INVALID");
    case 404:
    case 405:
    case 406:
    case 501:
      return true;
    default:
      // GHCR redirects to its web site, which has limits of its own.
      return response.redirected && response.status == 429;
  }
}

void add_each_once(Referrers& out, std::unordered_set<std::string>& seen,
                   std::vector<oci::Descriptor> found) {
  for (oci::Descriptor& each : found) {
    if (seen.insert(each.digest.to_string()).second) out.manifests.push_back(std::move(each));
  }
}

}  // namespace

// The first answer says whether there is an API: who asks meanwhile waits for it.
Task<Result<Referrers>> Repository::referrers(const oci::Digest& subject) {
  while (first_referrers_) {
    const std::shared_ptr<Event> first = first_referrers_;
    TS_CO_TRY(co_await first->wait());
  }
  if (referrers_answered_) co_return co_await ask_referrers(subject);
  const auto first = std::make_shared<Event>(co_await current_executor());
  first_referrers_ = first;
  Result<Referrers> out = co_await ask_referrers(subject);
  referrers_answered_ = out.has_value();
  first_referrers_.reset();
  first->notify_all();
  co_return out;
}

Task<Result<Referrers>> Repository::ask_referrers(const oci::Digest& wanted) {
  const auto no_api = [this] {
    return !host_.profile().referrers_api ||
           (no_referrers_api_until_ && host_.time().now() < *no_referrers_api_until_);
  };
  if (!no_api()) {
    TS_CO_TRY(auto by_api, co_await referrers_by_api(wanted));
    if (by_api) co_return std::move(*by_api);
  }
  const ReferrersBy by = no_api() ? ReferrersBy::kTag : ReferrersBy::kUnsaid;
  TS_CO_TRY(Referrers out, co_await referrers_by_tag(wanted));
  out.by = by;
  co_return out;
}

Task<Result<std::optional<Referrers>>> Repository::referrers_by_api(const oci::Digest& subject) {
  const std::string what = action("GET", "referrers of " + subject.short_string());
  const Options& options = host_.options();
  Referrers out;
  std::unordered_set<std::string> seen;
  std::uint64_t bytes = 0;
  PageCursor place = PageCursor::first(path("referrers/" + subject.to_string()));
  while (true) {
    Result<Response> sent = co_await host_.send(referrers_call(place.target));
    if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
    if (place.page == 1 && means_unsupported(*sent)) {
      // A missing repository, or Quay's missing subject (400), says nothing of the API.
      const bool says = !has_error_code(*sent, "NAME_UNKNOWN") && sent->status != 400;
      if (says) no_referrers_api_until_ = host_.time().now() + kSupportMemory;
      co_return std::optional<Referrers>();
    }
    if (sent->status != 200) {
      Error error = broken_off(http_error(*sent, host_.time().wall()), place.page);
      co_return std::unexpected(std::move(error).within(what));
    }
    bytes += sent->body.size();
    if (bytes > options.referrers_bytes) {
      co_return fail(Errc::kTooLarge, fmt::format("{}: the list is above {}", what,
                                                  human_bytes(options.referrers_bytes)));
    }
    const auto link = next_link(sent->headers.find_all("Link"));
    oci::ParseLimits limits;
    limits.max_bytes = options.referrers_page_bytes;
    auto index = oci::parse_manifest(std::move(sent->body), oci::media_type::kOciIndex,
                                     std::nullopt, limits);
    if (!index) co_return std::unexpected(std::move(index).error().within(what));
    add_each_once(out, seen, std::move(index->manifests));
    const auto next = link ? place.next(linked_target(place.target, *link)) : std::nullopt;
    if (!next) co_return std::optional(std::move(out));
    if (next->page > options.max_pages) {
      co_return fail(Errc::kTooLarge,
                     fmt::format("{}: the list has more than {} pages", what, options.max_pages));
    }
    place = *next;
  }
}

Call Repository::referrers_call(std::string target) const {
  Call get = call(Method::kGet, std::move(target), &oci::RequestCounts::referrers);
  get.request_class = transport::RequestClass::kReferrers;
  get.headers.set("Accept", std::string(oci::media_type::kOciIndex));
  get.headers.set("Accept-Encoding", "identity");
  get.max_body = host_.options().referrers_page_bytes;
  return get;
}

Task<Result<Referrers>> Repository::referrers_by_tag(const oci::Digest& subject) {
  const std::string tag = oci::fallback_tag(subject);
  Referrers out{.by = ReferrersBy::kTag, .manifests = {}};
  TS_CO_TRY(const bool worth, co_await tag_may_exist(tag));
  if (!worth) co_return out;
  Result<oci::Manifest> index = co_await manifest(oci::ManifestName::by_tag(tag));
  if (!index) {
    if (index.error().absent()) co_return out;
    co_return std::unexpected(std::move(index).error());
  }
  // A copied signature may sit under such a tag: not a list, and not to be overwritten.
  if (index->kind != oci::Manifest::Kind::kIndex) co_return out;
  std::unordered_set<std::string> seen;
  add_each_once(out, seen, std::move(index->manifests));
  co_return out;
}

Task<Result<bool>> Repository::tag_may_exist(std::string tag) {
  constexpr std::chrono::seconds kTagMemory{60};
  const auto now = host_.time().now();
  if (!digest_tags_ || now - digest_tags_->read_at > kTagMemory) {
    // One list for all subjects, where it fits on one page; else each tag is asked for.
    auto page = co_await tags(std::nullopt);
    if (!page) {
      if (page.error().code == Errc::kCancelled || page.error().retryable) {
        co_return std::unexpected(std::move(page).error());
      }
      if (page.error().absent()) co_return false;
    }
    DigestTags found{.tags = {}, .complete = page && !page->next && !page->cut, .read_at = now};
    if (found.complete) {
      for (std::string& each : page->tags) {
        if (oci::parse_digest_tag(each)) found.tags.insert(std::move(each));
      }
    }
    digest_tags_ = std::move(found);
  }
  co_return !digest_tags_->complete || digest_tags_->tags.contains(tag);
}

}  // namespace transship::registry
