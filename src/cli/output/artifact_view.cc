#include "cli/output/artifact_view.h"

#include <fmt/format.h>

#include <set>

#include "engine/retry.h"

namespace transship::cli {

namespace {

using oci::Digest;
using Relation = ArtifactNode::Relation;

constexpr std::size_t kMaxDepth = 64;

void collect_blobs(const ArtifactNode& node, std::map<Digest, std::uint64_t>& sizes) {
  for (const auto& blob : node.manifest.blobs()) sizes[blob.digest] = blob.size;
  for (const auto& child : node.children) collect_blobs(child, sizes);
}

// One read of a graph: the tags are listed once, and what is around a manifest is read once.
class Reader {
 public:
  Reader(const engine::Context& context, oci::SourceRepository& repository)
      : context_(context), repository_(repository) {}

  Task<Result<ArtifactView>> read_root(oci::ManifestName name) {
    TS_CO_TRY(auto manifest, co_await read_manifest(context_, repository_, std::move(name)));
    co_await list_digest_tags();
    ArtifactNode root;
    root.descriptor = manifest.descriptor();
    root.manifest = std::move(manifest);
    co_await read_around(root, 0);
    TS_CO_TRY(co_await check_cancelled());
    co_return ArtifactView{.root = std::move(root), .problems = std::move(problems_)};
  }

 private:
  Task<void> list_digest_tags() {
    std::optional<std::string> cursor;
    do {
      auto page = co_await engine::with_retries<oci::TagPage>(
          context_, "list tags", [&] { return repository_.tags(cursor); });
      if (!page) {
        if (!page.error().absent()) add_problem(std::move(page).error());
        co_return;
      }
      if (page->cut) {
        add_problem({.code = Errc::kTooLarge,
                     .message = fmt::format("{}: the registry ends its list of tags here, whatever "
                                            "else there is",
                                            repository_.id().to_string())});
      }
      for (const auto& tag : page->tags) {
        const auto parsed = oci::parse_digest_tag(tag);
        if (parsed && !parsed->suffix.empty()) digest_tags_.emplace(parsed->hex, tag);
      }
      cursor = std::move(page->next);
    } while (cursor);
  }

  Task<ArtifactNode> read_node(Relation relation, oci::Descriptor descriptor, std::string tag,
                               std::size_t depth) {
    ArtifactNode node{.relation = relation,
                      .tag = std::move(tag),
                      .descriptor = descriptor,
                      .manifest = {},
                      .problem = {},
                      .children = {},
                      .referrers = {}};
    const auto name = descriptor.digest.empty() ? oci::ManifestName::by_tag(node.tag)
                                                : oci::ManifestName::by_digest(descriptor.digest);
    auto manifest = co_await read_manifest(context_, repository_, name);
    if (!manifest) {
      node.problem = manifest.error().describe();
      add_problem(std::move(manifest).error());
      co_return node;
    }
    if (descriptor.digest.empty()) node.descriptor = manifest->descriptor();
    node.manifest = std::move(*manifest);
    co_await read_around(node, depth);
    co_return node;
  }

  Task<void> read_around(ArtifactNode& node, std::size_t depth) {
    const Digest digest = node.manifest.digest;
    // Referrers may lie in a circle, and a graph have more paths than anybody can walk.
    if (around_read_.contains(digest)) co_return;
    if (depth > kMaxDepth) {
      add_problem({.code = Errc::kTooLarge,
                   .message = fmt::format("{}: it lies {} manifests deep, what is below and around "
                                          "it was not read",
                                          digest.to_string(), depth)});
      co_return;
    }
    around_read_.insert(digest);
    for (const auto& child : node.manifest.manifests) {
      if (!oci::media_type::is_manifest(child.media_type)) continue;
      node.children.push_back(co_await read_node(Relation::kChild, child, "", depth + 1));
    }
    const auto listed = co_await engine::with_retries<oci::Referrers>(
        context_, "list referrers", [&] { return repository_.referrers(digest); });
    if (!listed && !listed.error().absent()) {
      node.problem = listed.error().describe();
      add_problem(listed.error());
    }
    for (const auto& referrer : listed ? listed->manifests : std::vector<oci::Descriptor>()) {
      node.referrers.push_back(co_await read_node(Relation::kReferrer, referrer, "", depth + 1));
    }
    const auto [first, last] = digest_tags_.equal_range(digest.hex().substr(0, 64));
    for (auto tag = first; tag != last; ++tag) {
      node.referrers.push_back(
          co_await read_node(Relation::kDigestTag, {}, tag->second, depth + 1));
    }
  }

  void add_problem(Error error) { problems_.push_back(std::move(error).on(Side::kSource)); }

  const engine::Context& context_;
  oci::SourceRepository& repository_;
  std::vector<Error> problems_;
  std::multimap<std::string, std::string> digest_tags_;
  std::set<Digest> around_read_;
};

}  // namespace

std::uint64_t ArtifactNode::content_bytes() const {
  std::map<Digest, std::uint64_t> sizes;
  collect_blobs(*this, sizes);
  std::uint64_t sum = 0;
  for (const auto& [digest, size] : sizes) sum += size;
  return sum;
}

Task<Result<oci::Manifest>> read_manifest(const engine::Context& context,
                                          oci::SourceRepository& repository,
                                          oci::ManifestName name) {
  co_return co_await engine::with_retries<oci::Manifest>(context, "manifest " + name.to_string(),
                                                         [&] { return repository.manifest(name); });
}

Task<Result<ArtifactView>> read_artifact(const engine::Context& context,
                                         oci::SourceRepository& repository,
                                         oci::ManifestName name) {
  Reader reader(context, repository);
  co_return co_await reader.read_root(std::move(name));
}

}  // namespace transship::cli
