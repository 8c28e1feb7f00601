#include "base/log.h"
#include "registry/error_body.h"
#include "registry/lists/tag_listing.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;
using transport::Url;

namespace {

constexpr std::string_view kHubApi = "https://hub.docker.com";

// What is private is not there for who is nobody; a login that worked is not made again for it.
bool asks_login(int status, bool logged_in) {
  return status == 401 || (!logged_in && (status == 403 || status == 404));
}

}  // namespace

bool Repository::lists_digests() const {
  const TagListing kind = host_.profile().listing;
  // A mirror that is like Docker Hub has no part in the Hub's own API.
  if (kind == TagListing::kHubTags && profile_for_host(host_.name()).listing != kind) return false;
  const auto& until = host_.learned().listing_refused_until;
  return ListingPlace::possible(kind, name_) && !(until && host_.time().now() < *until);
}

// The lists of Harbor and Docker Hub are APIs of their own, which know no registry tokens: Harbor
// takes the password, the Hub a token that its login gave for it.
Task<Result<Response>> Repository::ask_listing(TagListing kind, Call call) {
  switch (kind) {
    case TagListing::kAcrTags:
      call.scopes = ScopeSet({Scope::metadata_read(name_.str())});
      break;
    case TagListing::kHarborArtifacts: {
      TS_CO_TRY(call.authorization, co_await host_.basic_for_api(name_.str()));
      break;
    }
    case TagListing::kHubTags: {
      TS_CO_TRY(call.url, Url::parse(std::string(kHubApi) + call.target));
      call.authorization = host_.hub().authorization();
      TS_CO_TRY(Response response, co_await host_.send(call));
      if (!asks_login(response.status, !call.authorization->empty())) co_return response;
      TS_CO_TRY(const bool better, co_await host_.hub().log_in(*call.authorization, counts_));
      if (!better) co_return response;
      call.authorization = host_.hub().authorization();
      break;
    }
    case TagListing::kZotSearch:
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      break;
  }
  co_return co_await host_.send(std::move(call));
}

// The plain list comes behind what was listed so far, or in its place.
oci::TagPage Repository::then_plain(const ListingPlace& place, const Error& why) {
  log_info("tags of {}/{} with digests: {}; each tag is asked instead", host_.name(), name_.str(),
           why.describe());
  if (place.page() == 1 && why.code != Errc::kRepositoryUnknown) {
    Learned& learned = host_.learned();
    if (++learned.listings_refused >= kMostListingsRefused) {
      learned.listing_refused_until = host_.time().now() + kListingMemory;
    }
  }
  oci::TagPage out;
  out.next = ListingPlace::kPlainCursor;
  return out;
}

Task<Result<oci::TagPage>> Repository::listing_page(std::shared_ptr<ListingPlace> place) {
  Call get = call(Method::kGet, place->target(), &oci::RequestCounts::tag_list);
  get.headers.set("Accept", "application/json");
  get.max_body = host_.options().list_page_bytes;
  Result<Response> response = co_await ask_listing(place->kind(), std::move(get));
  Result<oci::TagPage> page = fail(Errc::kInternal, "");
  if (!response) {
    page = std::unexpected(std::move(response).error());
  } else if (response->status != 200) {
    page = std::unexpected(http_error(*response, host_.time().wall()));
  } else {
    page = place->take(*response, host_.options().max_pages);
    if (page) host_.learned().listings_refused = 0;
  }
  if (page || page.error().code == Errc::kCancelled) co_return page;
  if (page.error().retryable && !place->tired()) co_return page;
  if (listing_ == place) listing_.reset();
  co_return then_plain(*place, page.error());
}

Task<Result<oci::TagPage>> Repository::tags_with_digests(std::optional<std::string> cursor) {
  if (cursor && *cursor == ListingPlace::kPlainCursor) co_return co_await tags(std::nullopt);
  if (cursor && !cursor->starts_with(ListingPlace::kCursorPrefix)) {
    co_return co_await tags(std::move(cursor));
  }
  // Two jobs may list one repository: who comes while the other's page is asked for has the plain
  // list.
  const auto busy = [this] { return listing_.use_count() > 1; };
  // The first page may be asked again: its attempts count on.
  if (!cursor && !busy() && !(listing_ && listing_->page() == 1)) {
    listing_.reset();
    if (!lists_digests()) {
      Result<oci::TagPage> plain = co_await tags(std::nullopt);
      // What kind of registry it is may be known only now.
      if (!plain || !plain->digests.empty() || !lists_digests()) co_return plain;
    }
    if (!busy()) listing_ = std::make_shared<ListingPlace>(host_.profile().listing, name_);
  }
  // A cursor of another listing than the newest: begin with what needs no memory.
  if (!listing_ || busy() || (cursor && *cursor != listing_->cursor())) {
    co_return co_await tags(std::nullopt);
  }
  Result<oci::TagPage> page = co_await listing_page(listing_);
  if (!page) co_return std::unexpected(std::move(page).error().within(action("GET", "tags")));
  co_return page;
}

}  // namespace transship::registry
