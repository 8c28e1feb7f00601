#include <fmt/format.h>

#include <algorithm>

#include "server/handlers.h"
#include "server/tree/listed_manifest.h"

namespace transship::server {

namespace {

Reply manifest_unknown(const Route& route) {
  return error_reply(404, "MANIFEST_UNKNOWN",
                     fmt::format("no manifest {} in {}", route.reference, route.name));
}

bool is_digest(std::string_view reference) { return reference.contains(':'); }

/// Null when it is not listed; an unparsable digest is as good as unknown.
const RepositoryIndex::Listed* look_up(const RepositoryIndex& index, const std::string& reference) {
  if (!is_digest(reference)) return index.by_tag(reference);
  const auto digest = oci::Digest::parse(reference);
  return digest ? index.by_digest(*digest) : nullptr;
}

}  // namespace

Task<Result<std::string>> read_body(RequestBody& body, std::uint64_t max_bytes) {
  if (body.length().value_or(0) > max_bytes)
    co_return fail(Errc::kTooLarge, "the body is too large");
  std::string out;
  constexpr std::size_t kPiece = 16U << 10U;
  while (!body.finished()) {
    const std::size_t before = out.size();
    // One byte more than allowed shows that there is more.
    // Memory is taken as bytes come, not as they are announced.
    const std::uint64_t left = body.length().value_or(max_bytes + 1) - before;
    const std::size_t room =
        static_cast<std::size_t>(std::min<std::uint64_t>(left, std::max(kPiece, before)));
    out.resize(before + room);
    TS_CO_TRY(const std::size_t n,
              co_await body.read(std::as_writable_bytes(std::span(out).subspan(before))));
    out.resize(before + n);
    if (out.size() > max_bytes) co_return fail(Errc::kTooLarge, "the body is too large");
  }
  co_return out;
}

Task<Reply> get_manifest(Context& context, const Request& request, const Route& route) {
  auto repository = context.store.loaded(route.name);
  if (!repository) {
    auto found = co_await context.store.find(route.name);
    if (!found) co_return failure_reply(found.error());
    if (!*found) co_return name_unknown(route.name);
    repository = std::move(*found);
  }
  const auto* listed = look_up(repository->index(), route.reference);
  if (listed == nullptr) co_return manifest_unknown(route);
  const oci::Digest digest = listed->first;
  const std::string text = digest.to_string();
  Reply reply;
  fmt::format_to(std::back_inserter(reply.headers),
                 "Content-Type: {}\r\nDocker-Content-Digest: {}\r\nEtag: \"{}\"\r\n",
                 *listed->second.media_type, text, text);
  if (!request.if_none_match.empty() && request.if_none_match.contains(text)) {
    reply.status = 304;
    co_return reply;
  }
  reply.shared_body = context.store.cache().find(digest);
  if (reply.shared_body) co_return reply;
  auto bytes = co_await context.store.manifest_bytes(route.name, digest);
  if (!bytes && bytes.error().code == Errc::kNotFound) co_return manifest_unknown(route);
  if (!bytes) co_return failure_reply(bytes.error());
  reply.shared_body = std::move(*bytes);
  co_return reply;
}

namespace {

/// What a PUT asks for, checked as far as the request itself allows.
struct Wanted {
  oci::Digest digest;
  std::vector<std::string> tags;
};

Result<Wanted> wanted_of(const Route& route, std::string_view bytes) {
  Wanted out;
  if (!is_digest(route.reference)) {
    TS_TRY(const oci::Tag tag, oci::Tag::parse(route.reference));
    out.digest = oci::digest_of(bytes);
    out.tags.push_back(tag.str());
    return out;
  }
  TS_TRY(out.digest, oci::Digest::parse(route.reference));
  if (oci::digest_of(bytes, out.digest.algorithm()) != out.digest) {
    return fail(Errc::kDigestMismatch, "the bytes have another digest");
  }
  for (const std::string& text : route.parameters("tag")) {
    TS_TRY(const oci::Tag tag, oci::Tag::parse(text));
    if (std::ranges::find(out.tags, tag.str()) == out.tags.end()) out.tags.push_back(tag.str());
  }
  return out;
}

Reply refuse_reference(const Route& route, const Error& error) {
  if (is_digest(route.reference) && error.code != Errc::kInvalidArgument) {
    return digest_invalid(error.message);
  }
  return error_reply(400, "TAG_INVALID", error.message);
}

/// Content that must be there. Blobs by their files, children by the list of manifests.
struct Needs {
  std::vector<oci::Digest> blobs;
  std::vector<oci::Digest> missing;
};

Needs needs_of(const oci::Manifest& manifest, const RepositoryIndex& index) {
  Needs out;
  for (const oci::Descriptor& blob : manifest.blobs()) out.blobs.push_back(blob.digest);
  for (const oci::Descriptor& child : manifest.manifests) {
    if (index.by_digest(child.digest) != nullptr) continue;
    // An index may also list blobs (buildkit's cache).
    auto& list = oci::media_type::is_manifest(child.media_type) ? out.missing : out.blobs;
    list.push_back(child.digest);
  }
  return out;
}

Reply blobs_missing(const std::vector<oci::Digest>& missing) {
  Reply reply{.status = 400};
  reply.header("Content-Type", "application/json");
  reply.body = R"({"errors":[)";
  for (const oci::Digest& digest : missing) {
    if (&digest != &missing.front()) reply.body += ',';
    reply.body += fmt::format(
        R"({{"code":"MANIFEST_BLOB_UNKNOWN","message":"content of the manifest is missing","detail":{{"digest":"{}"}}}})",
        digest.to_string());
  }
  reply.body += "]}";
  return reply;
}

/// On the pool: checks what must be there, and writes the manifest's file.
Task<Result<std::vector<oci::Digest>>> store_manifest(Context& context, std::string repository,
                                                      const oci::Manifest& manifest, Needs needs) {
  co_return co_await context.store.pool().run(
      [&context, &manifest, repository, needs]() mutable -> Result<std::vector<oci::Digest>> {
        const LayoutTree& tree = context.store.tree();
        for (oci::Digest& digest : needs.blobs) {
          if (!tree.blob_size(repository, digest)) needs.missing.push_back(std::move(digest));
        }
        if (needs.missing.empty()) {
          TS_TRY(tree.write_blob(repository, manifest.digest, manifest.bytes));
        }
        return std::move(needs.missing);
      });
}

/// Nothing, or why it was not done.
Task<std::optional<Reply>> store_and_list(Context& context, Repository& repository,
                                          const oci::Manifest& manifest,
                                          const std::vector<std::string>& tags) {
  auto missing = co_await store_manifest(context, repository.name(), manifest,
                                         needs_of(manifest, repository.index()));
  if (!missing) co_return failure_reply(missing.error());
  if (!missing->empty()) co_return blobs_missing(*missing);
  std::vector<Change> changes{listing_of(manifest)};
  for (const std::string& tag : tags) {
    changes.push_back({.kind = Change::Kind::kTag, .digest = manifest.digest, .tag = tag});
  }
  const auto committed = co_await repository.commit(std::move(changes));
  if (!committed) co_return failure_reply(committed.error());
  co_return std::nullopt;
}

Reply created(const Route& route, const oci::Manifest& manifest,
              const std::vector<std::string>& tags) {
  Reply reply{.status = 201};
  reply.header("Location", fmt::format("/v2/{}/manifests/{}", route.name, route.reference));
  reply.header("Docker-Content-Digest", manifest.digest.to_string());
  if (manifest.subject) reply.header("OCI-Subject", manifest.subject->digest.to_string());
  if (is_digest(route.reference)) {
    for (const std::string& tag : tags) reply.header("OCI-Tag", tag);
  }
  return reply;
}

}  // namespace

Task<Reply> put_manifest(Context& context, const Request& request, const Route& route,
                         RequestBody& body) {
  const std::uint64_t limit = context.options.limits.max_manifest_bytes;
  auto bytes = co_await read_body(body, limit);
  if (!bytes && bytes.error().code == Errc::kTooLarge) {
    co_return error_reply(413, "SIZE_INVALID",
                          fmt::format("the manifest is above the limit of {} bytes", limit));
  }
  if (!bytes) co_return failure_reply(bytes.error());
  const auto wanted = wanted_of(route, *bytes);
  if (!wanted) co_return refuse_reference(route, wanted.error());
  const auto manifest = oci::parse_manifest(std::move(*bytes), request.content_type, wanted->digest,
                                            {.max_bytes = limit});
  if (!manifest) {
    co_return error_reply(400, "MANIFEST_INVALID", manifest.error().describe());
  }
  auto repository = co_await context.store.obtain(route.name);
  if (!repository) co_return failure_reply(repository.error());
  co_await (*repository)->hold_content();
  auto refused = co_await store_and_list(context, **repository, *manifest, wanted->tags);
  (*repository)->release_content();
  if (refused) co_return std::move(*refused);
  co_return created(route, *manifest, wanted->tags);
}

namespace {

Task<Reply> remove_listed(Context& context, Repository& repository, const Route& route) {
  const auto* listed = look_up(repository.index(), route.reference);
  if (listed == nullptr) co_return manifest_unknown(route);
  const oci::Digest digest = listed->first;
  const bool by_tag = !is_digest(route.reference);
  std::vector<Change> changes(1);
  if (by_tag) {
    changes[0] = {.kind = Change::Kind::kRemoveTag, .tag = route.reference};
  } else {
    changes[0] = {.kind = Change::Kind::kRemoveManifest, .digest = digest};
  }
  const auto committed = co_await repository.commit(std::move(changes));
  if (!committed) co_return failure_reply(committed.error());
  if (by_tag) co_return Reply{.status = 202};
  // Its file goes last: a kill in between leaves a blob that nothing lists.
  const auto removed = co_await context.store.pool().run([&context, name = route.name, digest] {
    return context.store.tree().remove_blob(name, digest);
  });
  if (!removed) co_return failure_reply(removed.error());
  co_return Reply{.status = 202};
}

}  // namespace

Task<Reply> delete_manifest(Context& context, const Route& route) {
  const auto repository = co_await context.store.find(route.name);
  if (!repository) co_return failure_reply(repository.error());
  if (!*repository) co_return name_unknown(route.name);
  co_await (*repository)->begin_removal();
  Reply reply = co_await remove_listed(context, **repository, route);
  (*repository)->end_removal();
  co_return reply;
}

}  // namespace transship::server
