#include "fuzz/entry.h"
#include "transport/redirect.h"
#include "transport/url.h"

namespace transship::fuzz {
namespace {

void check_url(const transport::Url& url) {
  require(url.scheme == "http" || url.scheme == "https", "no other scheme comes out");
  require(!url.host.empty(), "a URL has a host");
  require(url.target.starts_with("/"), "a target begins with a slash");
  require(url.to_string().find_first_of("\r\n ") == std::string::npos, "a URL is one word");
  const auto again = transport::Url::parse(url.to_string());
  require(again.has_value(), "a printed URL parses");
  require(again->same_origin(url), "printing keeps the origin: credentials depend on it");
  require(again->target == url.target, "printing keeps the target to the letter");
}

// A Location as a registry may send it: of an upload, of a redirect.
void run_location(std::string_view input) {
  const auto from = transport::Url::parse("https://reg.example.com/v2/team/app/blobs/uploads/");
  if (const auto to = from->resolve(input)) check_url(*to);
  if (const auto absolute = transport::Url::parse(input)) check_url(*absolute);

  transport::Response answer;
  answer.status = 307;
  answer.headers.set("Location", std::string(input));
  const auto hop = transport::next_hop(transport::Method::kGet, true, *from, answer);
  if (!hop || !*hop) return;
  require((*hop)->scheme == "https", "nobody is led from TLS to plain HTTP");
  check_url(**hop);
}

[[maybe_unused]] const bool kAdded = add_entry("location", run_location);

}  // namespace
}  // namespace transship::fuzz
