#include "registry/lists/lists.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "registry/error_body.h"
#include "registry/lists/json_list.h"

namespace transship::registry {

using transport::Response;

namespace {

// Reads `value` of `key` in a query; "" when it is missing.
std::string query_value(std::string_view target, std::string_view key) {
  const auto question = target.find('?');
  if (question == std::string_view::npos) return "";
  for (const std::string_view pair : split(target.substr(question + 1), '&')) {
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) != key || equals == std::string_view::npos) continue;
    return percent_decode(pair.substr(equals + 1)).value_or("");
  }
  return "";
}

bool has_empty_last(std::string_view target) {
  return target.ends_with("last=") || target.contains("last=&");
}

// A page that was asked by its last entry, and is the one before it again: `last` is ignored.
bool repeats(const PageCursor& place, const std::vector<std::string>& entries) {
  const std::string last = query_value(place.target, "last");
  return entries.empty() || std::ranges::find(entries, last) != entries.end();
}

std::optional<std::string> next_of(const PageCursor& place, const Response& response,
                                   const std::string& start, const ListPage& page,
                                   std::size_t page_size) {
  const auto link = next_link(response.headers.find_all("Link"));
  std::optional<PageCursor> next;
  if (link) {
    const std::string target = linked_target(place.target, *link);
    // One registry always sends a link; behind the last page it leads to the first.
    if (has_empty_last(target)) return std::nullopt;
    next = place.next(target);
  } else if (page.entries.size() == page_size) {
    next = place.next(start + "&last=" + percent_encode(page.entries.back()));
    if (next) next->synthesised = true;
  }
  if (!next) return std::nullopt;
  next->listed = page.listed;
  return next->print();
}

}  // namespace

Error broken_off(Error error, std::size_t page) {
  const bool reads_as_none = error.code == Errc::kNotFound || error.code == Errc::kUnsupported ||
                             error.code == Errc::kRepositoryUnknown;
  if (page == 1 || !reads_as_none) return error;
  error.code = Errc::kHttp;
  error.retryable = true;
  error.hint.clear();
  return std::move(error).within(fmt::format("page {}", page));
}

Task<Result<ListPage>> list_page(Host& host, Call call, std::string start,
                                 std::optional<std::string> cursor, std::string key) {
  PageCursor place = PageCursor::first(start);
  if (cursor) {
    const auto parsed = PageCursor::parse(*cursor);
    if (!parsed) co_return fail(Errc::kInvalidArgument, "not a cursor of this list");
    place = *parsed;
  }
  if (place.page > host.options().max_pages) {
    co_return fail(Errc::kTooLarge,
                   fmt::format("the list has more than {} pages", host.options().max_pages));
  }
  call.target = place.target;
  call.headers.set("Accept", "application/json");
  call.max_body = host.options().list_page_bytes;
  TS_CO_TRY(const Response response, co_await host.send(std::move(call)));
  ListPage page;
  page.listed = place.listed;
  if (response.status == 404 && place.page > 1 && !place.restarted && !place.synthesised) {
    PageCursor again = PageCursor::first(start);
    again.restarted = true;
    page.next = again.print();
    co_return page;
  }
  if (response.status != 200) {
    Error error = http_error(response, host.time().wall());
    // Nobody said that there is more; what may pass is no answer to that.
    if (place.synthesised && !error.retryable) co_return page;
    co_return std::unexpected(broken_off(std::move(error), place.page));
  }
  TS_CO_TRY(JsonList list, parse_json_list(response.body, key));
  if (place.synthesised && repeats(place, list.entries)) co_return page;
  page.listed += list.entries.size();
  page.entries = std::move(list.entries);
  page.others = list.others;
  page.digests = std::move(list.digests);
  page.next = next_of(place, response, start, page, host.options().page_size);
  co_return page;
}

}  // namespace transship::registry
