// Tags, catalog and referrers.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "server/handlers.h"

namespace transship::server {

Reply name_unknown(std::string_view name) {
  return error_reply(404, "NAME_UNKNOWN", fmt::format("no repository {}", name));
}

Result<Page> page_of(const Route& route, std::size_t most) {
  Page out{.entries = most, .last = route.parameter("last")};
  if (const auto n = route.parameter("n")) {
    const auto wanted = parse_u64(*n);
    if (!wanted) return fail(Errc::kInvalidArgument, "n is not a number");
    out.entries = static_cast<std::size_t>(std::min<std::uint64_t>(*wanted, most));
  }
  return out;
}

Reply page_invalid() { return error_reply(400, "PAGINATION_NUMBER_INVALID", "n is not a number"); }

namespace {

/// A JSON array of strings that need no escapes (tags, names).
class NameArray {
 public:
  void add(std::string_view name) {
    out_ += out_.size() == 1 ? "\"" : ",\"";
    out_.append(name) += '"';
    last_ = name;
    ++count_;
  }
  std::size_t count() const { return count_; }
  std::string_view last() const { return last_; }
  std::string finish() && { return std::move(out_) + "]"; }

 private:
  std::string out_ = "[";
  std::string_view last_;
  std::size_t count_ = 0;
};

std::string next_link(std::string_view path, std::string_view last, std::string_view rest) {
  return fmt::format("<{}?last={}{}>; rel=\"next\"", path, percent_encode(last), rest);
}

}  // namespace

Task<Reply> list_tags(Context& context, const Route& route) {
  const auto page = page_of(route, context.options.limits.page_entries);
  if (!page) co_return page_invalid();
  auto repository = co_await context.store.find(route.name);
  if (!repository) co_return failure_reply(repository.error());
  if (!*repository) co_return name_unknown(route.name);
  NameArray names;
  const auto& tags = (*repository)->index().tags();
  auto it = page->last ? tags.upper_bound(*page->last) : tags.begin();
  for (; it != tags.end() && names.count() < page->entries; ++it) {
    // Layouts that others wrote hold names that are no tags.
    if (oci::Tag::parse(it->first)) names.add(it->first);
  }
  const bool more = it != tags.end() && names.count() != 0;
  Reply reply;
  reply.header("Content-Type", "application/json");
  if (more) {
    reply.header("Link", next_link(fmt::format("/v2/{}/tags/list", route.name), names.last(),
                                   fmt::format("&n={}", page->entries)));
  }
  reply.body = fmt::format(R"({{"name":"{}","tags":{}}})", route.name, std::move(names).finish());
  co_return reply;
}

Task<Reply> list_repositories(Context& context, const Route& route) {
  const auto page = page_of(route, context.options.limits.page_entries);
  if (!page) co_return page_invalid();
  const auto& all = context.store.names();
  NameArray names;
  auto it = page->last ? all.upper_bound(*page->last) : all.begin();
  for (; it != all.end() && names.count() < page->entries; ++it) names.add(*it);
  Reply reply;
  reply.header("Content-Type", "application/json");
  if (it != all.end() && names.count() != 0) {
    reply.header("Link",
                 next_link("/v2/_catalog", names.last(), fmt::format("&n={}", page->entries)));
  }
  reply.body = fmt::format(R"({{"repositories":{}}})", std::move(names).finish());
  co_return reply;
}

namespace {

bool has_type(const RepositoryIndex::Entry& entry, const std::optional<std::string>& wanted) {
  if (!wanted) return true;
  return entry.referrer.starts_with(fmt::format(R"({{"artifactType":{})", json_string(*wanted)));
}

std::string more_referrers(const Route& route, const oci::Digest& last,
                           const std::optional<std::string>& type) {
  return next_link(fmt::format("/v2/{}/referrers/{}", route.name, route.reference),
                   last.to_string(),
                   type ? fmt::format("&artifactType={}", percent_encode(*type)) : std::string());
}

}  // namespace

Task<Reply> list_referrers(Context& context, const Route& route) {
  const auto subject = oci::Digest::parse(route.reference);
  if (!subject) co_return digest_invalid(subject.error().message);
  auto repository = co_await context.store.find(route.name);
  if (!repository) co_return failure_reply(repository.error());
  const auto type = route.parameter("artifactType");
  Reply reply;
  reply.header("Content-Type", "application/vnd.oci.image.index.v1+json");
  if (type) reply.header("OCI-Filters-Applied", "artifactType");
  std::string list;
  if (*repository) {
    const RepositoryIndex& index = (*repository)->index();
    const auto& all = index.referrers(*subject);
    auto it = all.begin();
    if (const auto last = oci::Digest::parse(route.parameter("last").value_or(""))) {
      it = all.upper_bound(*last);
    }
    for (; it != all.end(); ++it) {
      if (list.size() >= context.options.limits.referrers_page_bytes) {
        reply.header("Link", more_referrers(route, *std::prev(it), type));
        break;
      }
      const auto& entry = index.by_digest(*it)->second;
      if (!has_type(entry, type)) continue;
      if (!list.empty()) list += ',';
      list += entry.referrer;
    }
  }
  reply.body = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{}]}})",
      list);
  co_return reply;
}

}  // namespace transship::server
