#include "engine/graph/content.h"

#include <algorithm>
#include <set>

#include "oci/manifest.h"

namespace transship::engine {
namespace {

// Types that are known to be no manifests; all others are asked for.
bool is_blob_type(std::string_view type) {
  return type.starts_with("application/vnd.oci.image.layer.") ||
         type.starts_with("application/vnd.docker.image.rootfs.") ||
         type == "application/vnd.oci.image.config.v1+json" ||
         type == "application/vnd.docker.container.image.v1+json" ||
         type == "application/vnd.buildkit.cacheconfig.v0" || type == oci::media_type::kEmpty;
}

bool is_schema1(std::string_view type) {
  return type == oci::media_type::kSchema1 || type == oci::media_type::kSchema1Signed;
}

Task<Result<bool>> is_manifest(SourceView& source, const oci::Descriptor& entry) {
  if (oci::media_type::is_manifest(entry.media_type)) co_return true;
  // Reading it gives the refusal that says what to do.
  if (is_schema1(entry.media_type)) co_return true;
  if (is_blob_type(entry.media_type)) co_return false;
  Result<oci::Descriptor> known =
      co_await source.resolve(oci::ManifestName::by_digest(entry.digest));
  if (known) co_return true;
  if (known.error().code == Errc::kNotFound) co_return false;
  co_return std::unexpected(std::move(known).error());
}

}  // namespace

Task<Result<ContentPtr>> content_of(SourceView& source, ManifestPtr manifest) {
  auto content = std::make_shared<Content>();
  content->blobs = manifest->blobs();
  std::set<oci::Digest> seen;
  for (const oci::Descriptor& blob : content->blobs) seen.insert(blob.digest);
  content->foreign_layers = static_cast<std::size_t>(std::ranges::count_if(
      manifest->layers,
      [](const oci::Descriptor& d) { return oci::media_type::is_foreign_layer(d.media_type); }));
  for (const oci::Descriptor& entry : manifest->manifests) {
    if (!seen.insert(entry.digest).second) continue;
    if (oci::media_type::is_foreign_layer(entry.media_type)) {
      ++content->foreign_layers;
      continue;
    }
    TS_CO_TRY(const bool below, co_await is_manifest(source, entry));
    (below ? content->manifests : content->blobs).push_back(entry);
  }
  // None of the big ones is left for last.
  std::ranges::sort(content->blobs, [](const oci::Descriptor& a, const oci::Descriptor& b) {
    return a.size != b.size ? a.size > b.size : a.digest < b.digest;
  });
  content->manifest = std::move(manifest);
  co_return content;
}

}  // namespace transship::engine
