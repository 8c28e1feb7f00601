#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/host.h"
#include "registry/lists/link.h"

namespace transship::registry {

/// One page of tags or repositories, unfiltered.
struct ListPage {
  std::vector<std::string> entries;
  std::size_t others = 0;                             ///< Members that were no strings.
  std::size_t listed = 0;                             ///< Entries up to here, all pages together.
  std::vector<std::optional<oci::Digest>> digests{};  ///< As JsonList has them.
  std::optional<std::string> next;                    ///< Opaque cursor.
};

/// Reads one page. `call`: everything but the target; `start`: the first page's; `key`: the array.
///
/// Follows Link, whatever its form; without one, asks on behind the last entry of a full page (old
/// registries page only so) until that says nothing new. Circles end the list; a place that
/// vanished (404 behind the first page) begins it anew once, so entries may come twice.
Task<Result<ListPage>> list_page(Host& host, Call call, std::string start,
                                 std::optional<std::string> cursor, std::string key);

/// An error of a list's `page`. Behind the first one the list was there a moment ago: its place
/// vanished, or the registry broke. That is neither an empty list nor a missing API, whatever the
/// status means elsewhere; read anew it may be whole.
Error broken_off(Error error, std::size_t page);

}  // namespace transship::registry
