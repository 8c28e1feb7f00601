#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "registry/lists/json_list.h"
#include "registry/lists/lists.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;

Task<Result<oci::TagPage>> Repository::tags(std::optional<std::string> cursor) {
  const std::string what = action("GET", "tags");
  const std::string start = path(fmt::format("tags/list?n={}", host_.options().page_size));
  Call list = call(Method::kGet, "", &oci::RequestCounts::tag_list);
  Result<ListPage> page =
      co_await list_page(host_, std::move(list), start, std::move(cursor), "tags");
  if (!page) co_return std::unexpected(std::move(page).error().within(what));
  oci::TagPage out;
  out.invalid = page->others;
  out.next = page->next;
  const std::size_t end = host_.profile().list_end;
  out.cut = end != 0 && !page->next && page->listed == end;
  for (std::size_t i = 0; i < page->entries.size(); ++i) {
    std::string& entry = page->entries[i];
    if (oci::Tag::parse(entry)) {
      out.tags.push_back(std::move(entry));
      if (!page->digests.empty()) out.digests.push_back(std::move(page->digests[i]));
    } else {
      log_debug("{}: \"{}\" is no tag", what, printable(entry, 80));
      ++out.invalid;
    }
  }
  co_return out;
}

}  // namespace transship::registry
