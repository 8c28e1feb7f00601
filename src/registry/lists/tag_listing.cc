#include "registry/lists/tag_listing.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/text.h"
#include "oci/json.h"
#include "registry/lists/link.h"

namespace transship::registry {

namespace {

namespace json = boost::json;

// The limits of the registries themselves: more is refused, or cut without a word.
constexpr std::size_t kAcrPage = 1000;
constexpr std::size_t kHarborPage = 100;
constexpr std::size_t kHubPage = 100;
constexpr std::size_t kZotPage = 1000;
constexpr std::size_t kRoundEnd = 10'000;

oci::json::Limits limits() {
  oci::json::Limits out;
  out.max_bytes = 64U << 20U;
  return out;
}

const json::value* member(const json::value& of, std::string_view key) {
  const json::object* object = of.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string text_of(const json::value& of, std::string_view key) {
  const json::value* found = member(of, key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::optional<std::uint64_t> count_of(const json::value& of, std::string_view key) {
  const json::value* found = member(of, key);
  if (found == nullptr || !found->is_int64() || found->get_int64() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(found->get_int64());
}

void add(ListedTags& out, std::string name, const std::string& digest) {
  if (!oci::Tag::parse(name)) {
    ++out.page.invalid;
    return;
  }
  auto parsed = oci::Digest::parse(digest);
  out.page.tags.push_back(std::move(name));
  out.page.digests.push_back(parsed ? std::optional(std::move(*parsed)) : std::nullopt);
}

// Rows that are one tag each.
Result<void> add_rows(ListedTags& out, const json::value* rows, std::string_view name,
                      std::string_view digest) {
  if (rows == nullptr || rows->is_null()) return {};
  if (!rows->is_array()) return fail(Errc::kMalformed, "the list of tags is no array");
  for (const json::value& row : rows->get_array()) {
    const std::string tag = text_of(row, name);
    out.rows.push_back(tag);
    add(out, tag, text_of(row, digest));
  }
  return {};
}

// [{"digest": "...", "tags": [{"name": "v1"}, ...]}, ...]
Result<void> add_artifacts(ListedTags& out, const json::value& artifacts) {
  if (!artifacts.is_array()) return fail(Errc::kMalformed, "the list of artifacts is no array");
  for (const json::value& artifact : artifacts.get_array()) {
    const std::string digest = text_of(artifact, "digest");
    out.rows.push_back(digest);
    const json::value* tags = member(artifact, "tags");
    if (tags == nullptr || !tags->is_array()) continue;
    for (const json::value& tag : tags->get_array()) add(out, text_of(tag, "name"), digest);
  }
  return {};
}

Result<void> add_search(ListedTags& out, const json::value& answer) {
  const json::value* data = member(answer, "data");
  const json::value* list = data == nullptr ? nullptr : member(*data, "ImageList");
  if (list == nullptr || !list->is_object()) {
    return fail(Errc::kUnsupported, "the search extension gives no list of images");
  }
  const json::value* page = member(*list, "Page");
  if (page != nullptr) out.total = count_of(*page, "TotalCount");
  return add_rows(out, member(*list, "Results"), "Tag", "Digest");
}

std::size_t page_size(TagListing kind) {
  switch (kind) {
    case TagListing::kAcrTags:
      return kAcrPage;
    case TagListing::kHarborArtifacts:
      return kHarborPage;
    case TagListing::kHubTags:
      return kHubPage;
    case TagListing::kZotSearch:
      return kZotPage;
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      break;
  }
  return 0;
}

}  // namespace

Result<ListedTags> parse_listing(TagListing kind, std::string_view body) {
  TS_TRY(const json::value root, oci::json::parse(body, limits()));
  ListedTags out;
  switch (kind) {
    case TagListing::kAcrTags:
      TS_TRY(add_rows(out, member(root, "tags"), "name", "digest"));
      break;
    case TagListing::kHarborArtifacts:
      TS_TRY(add_artifacts(out, root));
      break;
    case TagListing::kHubTags:
      TS_TRY(add_rows(out, member(root, "results"), "name", "digest"));
      out.total = count_of(root, "count");
      out.more = !text_of(root, "next").empty();
      break;
    case TagListing::kZotSearch:
      TS_TRY(add_search(out, root));
      break;
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      return fail(Errc::kInvalidArgument, "no list of its own");
  }
  return out;
}

bool ListingPlace::possible(TagListing kind, const oci::RepositoryName& name) {
  const auto slash = name.str().find('/');
  switch (kind) {
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      return false;
    case TagListing::kHarborArtifacts:  // project/repository
      return slash != std::string::npos;
    case TagListing::kHubTags:  // namespace/repository, and no deeper
      return slash != std::string::npos && name.str().find('/', slash + 1) == std::string::npos;
    case TagListing::kAcrTags:
    case TagListing::kZotSearch:
      break;
  }
  return true;
}

ListingPlace::ListingPlace(TagListing kind, oci::RepositoryName name)
    : kind_(kind), name_(std::move(name)) {}

std::string ListingPlace::cursor() const { return fmt::format("{}{}", kCursorPrefix, page_); }

std::string ListingPlace::target() const {
  const std::string& name = name_.str();
  const auto slash = name.find('/');
  switch (kind_) {
    case TagListing::kAcrTags:
      return !link_.empty() ? link_ : fmt::format("/acr/v1/{}/_tags?n={}", name, kAcrPage);
    case TagListing::kHarborArtifacts:
      // Slashes of the name are escaped twice: Harbor's own front undoes it once. Only what has a
      // tag is asked for.
      return fmt::format(
          "/api/v2.0/projects/{}/repositories/{}/artifacts?page={}&page_size={}&with_tag=true"
          "&q=tags%3D%2A",
          name.substr(0, slash), percent_encode(percent_encode(name.substr(slash + 1))), page_,
          kHarborPage);
    case TagListing::kHubTags:
      return fmt::format("/v2/namespaces/{}/repositories/{}/tags?page_size={}&page={}",
                         name.substr(0, slash), name.substr(slash + 1), kHubPage, page_);
    case TagListing::kZotSearch:
      return "/v2/_zot/ext/search?query=" +
             percent_encode(fmt::format(
                 R"({{ImageList(repo:"{}",requestedPage:{{limit:{},offset:{},)"
                 R"(sortBy:ALPHABETIC_ASC}}){{Page{{TotalCount}}Results{{Tag Digest}}}}}})",
                 name, kZotPage, (page_ - 1) * kZotPage));
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      break;
  }
  return "";
}

bool ListingPlace::further(const ListedTags& listed, const std::optional<std::string>& link) const {
  switch (kind_) {
    case TagListing::kAcrTags:
      return link.has_value();
    case TagListing::kHubTags:
      return listed.more;
    case TagListing::kHarborArtifacts:
    case TagListing::kZotSearch:
      return total_ ? rows_.size() < *total_ : listed.rows.size() >= page_size(kind_);
    case TagListing::kPlain:
    case TagListing::kGoogleManifests:
      break;
  }
  return false;
}

bool ListingPlace::whole() const {
  const bool signatures_too = kind_ == TagListing::kAcrTags || kind_ == TagListing::kHubTags;
  // Where lists are cut, it is at a round number, and the count may be cut with them.
  const bool round = rows_.size() >= kRoundEnd && rows_.size() % kRoundEnd == 0;
  return signatures_too && !doubted_ && !round && (!total_ || rows_.size() == *total_);
}

Result<oci::TagPage> ListingPlace::take(const transport::Response& response,
                                        std::size_t max_pages) {
  TS_TRY(ListedTags listed, parse_listing(kind_, response.body));
  if (kind_ == TagListing::kHarborArtifacts) {
    if (const auto total = response.headers.find("X-Total-Count")) listed.total = parse_u64(*total);
  }
  if (listed.total) total_ = listed.total;
  std::optional<std::string> link;
  if (kind_ == TagListing::kAcrTags) {
    link = next_link(response.headers.find_all("Link"));
    if (link) link = path_and_query(*link);
    // It may lead anywhere on this host; another list's answer is none of this repository.
    if (link && !link->starts_with("/acr/v1/" + name_.str() + "/_tags")) doubted_ = true;
  }
  const std::size_t before = rows_.size();
  for (const std::string& row : listed.rows) rows_.insert(std::hash<std::string>{}(row));
  const bool more = further(listed, link);
  // Nothing new and yet no end: pages go round in circles, or the list was cut.
  if (more && (rows_.size() == before || page_ >= max_pages)) doubted_ = true;
  attempts_ = 0;
  if (more && !doubted_) {
    ++page_;
    link_ = link.value_or("");
    listed.page.next = cursor();
  } else if (!whole()) {
    listed.page.next = kPlainCursor;
  }
  return std::move(listed.page);
}

}  // namespace transship::registry
