#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace transship::registry {

/// The target of the link with rel="next" (RFC 8288), as it was written. Tolerant (protocol.md
/// 1.8): unquoted rel, other parameters before it, several links in one header, and URLs without
/// angle brackets.
std::optional<std::string> next_link(const std::vector<std::string_view>& headers);

/// Path and query of a reference: what is used of a Link, on the host that was asked. Hosts and
/// ports in it are often wrong behind proxies, and may not be trusted.
std::string path_and_query(std::string_view reference);

/// The target of a link on the page at `page`, itself a path with a query: a relative one is
/// resolved against that.
std::string linked_target(std::string_view page, std::string_view link);

/// A place in a paged list, with what it takes to see that pages go round in circles.
///
/// Stateless, so that a caller may drop a listing at any time: the cursor carries the hash of the
/// first page's target and of one saved earlier one (Brent's cycle detection).
struct PageCursor {
  std::string target;        ///< Path and query of the page to ask.
  std::size_t page = 1;      ///< 1 is the first.
  std::size_t listed = 0;    ///< Entries of the pages before it.
  bool synthesised = false;  ///< Made up from the last entry, as no Link was given.
  bool restarted = false;    ///< The list was begun anew once, as its place had vanished.

  static PageCursor first(std::string target);
  /// Nothing when `text` was not made by `print`.
  static std::optional<PageCursor> parse(std::string_view text);
  std::string print() const;
  /// The page behind this one; nothing when it was visited before.
  std::optional<PageCursor> next(std::string next_target) const;

 private:
  std::uint64_t first_hash_ = 0;
  std::uint64_t saved_hash_ = 0;
};

}  // namespace transship::registry
