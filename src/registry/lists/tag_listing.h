#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "oci/names.h"
#include "oci/store.h"
#include "registry/profile.h"
#include "transport/http.h"

namespace transship::registry {

/// One page of a vendor's list of tags with digests, read.
struct ListedTags {
  oci::TagPage page;                   ///< `digests` as many as `tags`.
  std::vector<std::string> rows;       ///< What the list counts: tags, or Harbor's artifacts.
  std::optional<std::uint64_t> total;  ///< Rows of the whole list, where the answer says so.
  bool more = false;                   ///< The answer itself names a further page (Hub).
};

/// Reads the body of a page. kUnsupported where the API answers that it cannot (GraphQL errors).
Result<ListedTags> parse_listing(TagListing kind, std::string_view body);

/// Where a list of tags with digests stands: which page is next, what came so far, and whether that
/// can be all. These lists lie (they end early, repeat pages, miss digests), so what is missing is
/// never concluded from them: unless the count is right, the plain list follows.
class ListingPlace {
 public:
  /// False: `kind` cannot list a repository of that name.
  static bool possible(TagListing kind, const oci::RepositoryName& name);
  ListingPlace(TagListing kind, oci::RepositoryName name);

  TagListing kind() const { return kind_; }
  /// Path and query of the page to ask.
  std::string target() const;
  std::string cursor() const;
  std::size_t page() const { return page_; }

  /// Takes in an answer with status 200; the place moves on. The page's `next` leads to the next
  /// page, or to the plain list (`kPlainCursor`), or is empty: all is told.
  Result<oci::TagPage> take(const transport::Response& response, std::size_t max_pages);
  /// A page that failed may be asked again; true when it was asked often enough.
  bool tired() { return ++attempts_ >= kAttempts; }

  static constexpr std::string_view kPlainCursor = "plain";
  static constexpr std::string_view kCursorPrefix = "digests ";

 private:
  static constexpr int kAttempts = 3;

  bool further(const ListedTags& listed, const std::optional<std::string>& link) const;
  bool whole() const;

  TagListing kind_;
  oci::RepositoryName name_;
  std::size_t page_ = 1;
  std::string link_;                      ///< Where pages follow by Link.
  std::unordered_set<std::size_t> rows_;  ///< Hashes: a page that repeats brings none.
  std::optional<std::uint64_t> total_;
  bool doubted_ = false;
  int attempts_ = 0;
};

}  // namespace transship::registry
