#include "support/stores/listing_registry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace transship::test {
namespace {

using transport::Response;

std::string query_value(const SentRequest& sent, std::string_view key) {
  for (const std::string_view pair : split(sent.url.query(), '&')) {
    const auto equals = pair.find('=');
    if (pair.substr(0, equals) == key && equals != std::string_view::npos) {
      return percent_decode(pair.substr(equals + 1)).value_or("");
    }
  }
  return "";
}

std::size_t number(const std::string& text, std::size_t otherwise) {
  return text.empty() ? otherwise : std::stoul(text);
}

// The number behind `key` in a GraphQL query.
std::size_t argument(const std::string& query, std::string_view key) {
  return std::stoul(query.substr(query.find(key) + key.size()));
}

Response json(std::string body, std::string link = "", std::size_t total = 0) {
  Response out = answer(200, {{"Content-Type", "application/json"}}, std::move(body));
  if (!link.empty()) out.headers.set("Link", link);
  if (total > 0) out.headers.set("X-Total-Count", std::to_string(total));
  return out;
}

template <class Row, class Rows>
std::string joined(const Rows& rows, Row row) {
  std::string out;
  for (const auto& [tag, digest] : rows) out += (out.empty() ? "" : ",") + row(tag, digest);
  return out;
}

std::string named(const std::string& key_tag, const std::string& key_digest, const auto& rows) {
  return joined(rows, [&](const std::string& tag, const std::string& digest) {
    const std::string names = digest.empty() ? "null" : "\"" + digest + "\"";
    return fmt::format(R"({{"{}":"{}","{}":{}}})", key_tag, tag, key_digest, names);
  });
}

}  // namespace

std::string ListingRegistry::digest_of(std::size_t n) { return fmt::format("sha256:{:064x}", n); }

void ListingRegistry::fill(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) tags[fmt::format("v{:05}", i)] = digest_of(i + 1);
}

void ListingRegistry::serve(ScriptedHttp& http) {
  http.on(transport::Method::kGet, "*",
          [this](const SentRequest& sent) -> ScriptedHttp::Answer { return this->answer(sent); });
}

bool ListingRegistry::is_vendor(std::string_view path) const {
  switch (kind_) {
    case Kind::kPlain:
    case Kind::kGoogle:
      return false;
    case Kind::kAcr:
      return path == "/acr/v1/" + name_ + "/_tags";
    case Kind::kHarbor: {
      const auto slash = name_.find('/');
      return path == "/api/v2.0/projects/" + name_.substr(0, slash) + "/repositories/" +
                         percent_encode(percent_encode(name_.substr(slash + 1))) + "/artifacts";
    }
    case Kind::kHub:
      return path == "/v2/namespaces/" + name_.substr(0, name_.find('/')) + "/repositories/" +
                         name_.substr(name_.find('/') + 1) + "/tags";
    case Kind::kZot:
      return path == "/v2/_zot/ext/search";
  }
  return false;
}

Response ListingRegistry::answer(const SentRequest& sent) const {
  if (is_vendor(sent.url.path())) return vendor(sent);
  if (sent.url.path() == "/v2/" + name_ + "/tags/list") return plain(sent);
  return test::answer(404);
}

ListingRegistry::Rows ListingRegistry::rows() const {
  Rows out;
  std::size_t n = 0;
  for (const auto& [tag, digest] : tags) {
    // Harbor and zot list signatures with what they sign, not here.
    const bool signature = tag.starts_with("sha256-");
    if (signature && (kind_ == Kind::kHarbor || kind_ == Kind::kZot)) continue;
    out.emplace_back(tag, lies.no_digests && n++ % 3 == 0 ? "" : digest);
  }
  if (lies.digests_among_tags) out.emplace_back(digest_of(7), digest_of(7));
  if (lies.unsorted) std::ranges::reverse(out);
  if (lies.cut_at > 0 && out.size() > lies.cut_at) out.resize(lies.cut_at);
  return out;
}

ListingRegistry::Rows ListingRegistry::page_of(const Rows& all, std::size_t page,
                                               std::size_t size) const {
  if (lies.circles) page %= 2;
  if (lies.repeats) page /= 2;
  const std::size_t first = std::min(page * size, all.size());
  const std::size_t last = std::min(first + size, all.size());
  return Rows(all.begin() + static_cast<std::ptrdiff_t>(first),
              all.begin() + static_cast<std::ptrdiff_t>(last));
}

// The only list of Google is the specification's, and lies as the vendors' do.
Response ListingRegistry::plain(const SentRequest& sent) const {
  if (kind_ == Kind::kGoogle) {
    const std::string names = joined(
        rows(), [](const std::string& tag, const std::string&) { return "\"" + tag + "\""; });
    return json(fmt::format(R"({{"child":[],"manifest":{{{}}},"name":"{}","tags":[{}]}})",
                            google_manifests(), name_, names));
  }
  const std::size_t size = std::min(number(query_value(sent, "n"), plain_page), plain_page);
  auto at = tags.upper_bound(query_value(sent, "last"));
  std::string names, last;
  for (std::size_t i = 0; i < size && at != tags.end(); ++i, ++at) {
    names += (names.empty() ? "\"" : ",\"") + at->first + "\"";
    last = at->first;
  }
  const std::string link =
      at == tags.end()
          ? ""
          : fmt::format("</v2/{}/tags/list?last={}&n={}>; rel=\"next\"", name_, last, size);
  return json(fmt::format(R"({{"name":"{}","tags":[{}]}})", name_, names), link);
}

std::string ListingRegistry::google_manifests() const {
  std::map<std::string, std::string> by_digest;
  for (const auto& [tag, digest] : rows()) {
    if (digest.empty()) continue;
    std::string& names = by_digest[digest];
    names += (names.empty() ? "\"" : ",\"") + tag + "\"";
  }
  return joined(by_digest, [](const std::string& digest, const std::string& names) {
    return fmt::format(R"("{}":{{"imageSizeBytes":"9","tag":[{}]}})", digest, names);
  });
}

Response ListingRegistry::vendor(const SentRequest& sent) const {
  if (lies.status != 200) return test::answer(lies.status);
  if (!lies.body.empty()) return json(lies.body);
  const Rows all = rows();
  const std::size_t total = lies.count_says > 0 ? lies.count_says : all.size();
  if (kind_ == Kind::kAcr) return acr(sent);
  if (kind_ == Kind::kZot) {
    const std::string query = query_value(sent, "query");
    const std::size_t size = argument(query, "limit:");
    const std::size_t page = argument(query, "offset:") / size;
    if (lies.fails_at > 0 && page + 1 >= lies.fails_at) return test::answer(500);
    return json(
        fmt::format(R"({{"data":{{"ImageList":{{"Page":{{"TotalCount":{}}},"Results":[{}]}}}}}})",
                    total, named("Tag", "Digest", page_of(all, page, size))));
  }
  const std::size_t size = std::min<std::size_t>(number(query_value(sent, "page_size"), 10), 100);
  const std::size_t page = number(query_value(sent, "page"), 1);
  if (lies.fails_at > 0 && page >= lies.fails_at) return test::answer(500);
  const Rows some = page_of(all, page - 1, size);
  if (kind_ == Kind::kHarbor) {
    const std::string artifacts =
        joined(some, [](const std::string& tag, const std::string& digest) {
          return fmt::format(R"({{"digest":"{}","tags":[{{"name":"{}"}}]}})", digest, tag);
        });
    return json("[" + artifacts + "]", "", total);
  }
  const bool circle = lies.circles || lies.repeats;
  const bool more = circle ? page < 50 : page * size < all.size();
  const std::string next = more ? "\"https://hub.docker.com/?page=next\"" : "null";
  return json(fmt::format(R"({{"count":{},"next":{},"results":[{}]}})", total, next,
                          named("name", "digest", some)));
}

Response ListingRegistry::acr(const SentRequest& sent) const {
  const Rows all = rows();
  const std::size_t size = std::min<std::size_t>(number(query_value(sent, "n"), 100), 1000);
  const std::size_t page = number(query_value(sent, "last"), 0);
  if (lies.fails_at > 0 && page + 1 >= lies.fails_at) return test::answer(500);
  const bool circle = lies.circles || lies.repeats;
  const bool more = circle ? page < 50 : (page + 1) * size < all.size();
  // `last` is opaque to a client that follows links.
  const std::string link =
      more ? fmt::format("</acr/v1/{}/_tags?last={}&n={}&orderby=>; rel=\"next\"", name_, page + 1,
                         size)
           : "";
  return json(fmt::format(R"({{"registry":"r","imageName":"{}","tags":[{}]}})", name_,
                          named("name", "digest", page_of(all, page, size))),
              link);
}

}  // namespace transship::test
