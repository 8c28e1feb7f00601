#pragma once

#include <memory>
#include <vector>

#include "engine/graph/source_view.h"

namespace transship::engine {

/// What a manifest refers to, told apart for the walk.
struct Content {
  ManifestPtr manifest;
  std::vector<oci::Descriptor> blobs;      ///< Each digest once, the biggest first.
  std::vector<oci::Descriptor> manifests;  ///< Each digest once, in their order.
  std::size_t foreign_layers = 0;          ///< Left out (image-spec: non-distributable layers).
};
using ContentPtr = std::shared_ptr<const Content>;

/// Tells the entries of `manifest` apart: an index may list anything (image-spec), so an entry of
/// an unknown type is a manifest if the source knows a manifest by its digest, else a blob.
[[nodiscard]] Task<Result<ContentPtr>> content_of(SourceView& source, ManifestPtr manifest);

}  // namespace transship::engine
