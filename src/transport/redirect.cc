#include "transport/redirect.h"

#include <fmt/format.h>

#include "base/text.h"

namespace transship::transport {

Result<std::optional<Url>> next_hop(Method method, bool body_replayable, const Url& from,
                                    const Response& answer) {
  const bool safe = method == Method::kGet || method == Method::kHead;
  const int status = answer.status;
  const bool see_other = status == 301 || status == 302 || status == 303;
  const bool repeat = status == 307 || status == 308;
  if ((!see_other && !repeat) || (see_other && !safe) || !body_replayable) return std::nullopt;
  const auto location = answer.headers.find("Location");
  if (!location || trim(*location).empty()) {
    return fail(Errc::kMalformed,
                fmt::format("{}: HTTP {} without a Location", from.authority(), status));
  }
  auto next = from.resolve(*location);
  if (!next) {
    Error error = std::move(next).error();
    error.code = Errc::kUntrusted;  // Such as file://: a redirect that we do not follow.
    return std::unexpected(std::move(error).within("redirect of " + from.authority()));
  }
  if (from.scheme == "https" && next->scheme == "http") {
    return fail(Errc::kUntrusted, fmt::format("redirect from https://{} to http://{}: refused",
                                              from.authority(), next->authority()));
  }
  return std::optional<Url>(std::move(*next));
}

void drop_credentials(Headers& headers) {
  for (const std::string_view name : {"Authorization", "Cookie", "Proxy-Authorization"}) {
    headers.remove(name);
  }
}

}  // namespace transship::transport
