#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "storage/layout_files.h"

namespace transship::storage {

/// Who refers to whom in a layout, found by reading every manifest that index.json leads to:
/// entries, children of indexes, and so the indexes under fallback tags too.
///
/// Manifests are content-addressed, so each is read once in a run; memory is held for each
/// manifest of the layout (about 200 bytes, children and referrers extra). Blocks; used by one
/// thread at a time.
class LayoutScan {
 public:
  /// Brings the map up to `index`. Manifests that are not there (sparse layouts) and formats that
  /// we refuse are passed over; a manifest that is not what its digest says is an error.
  Result<void> refresh(const LayoutFiles& files, const LayoutIndex& index);

  /// Manifests whose own `subject` is this one, each once, in order of digest.
  std::vector<oci::Descriptor> referrers(const oci::Digest& subject) const;
  bool has_subject(const oci::Digest& manifest) const;

 private:
  struct Facts {
    std::optional<oci::Digest> subject{};
    std::optional<oci::Descriptor> descriptor{};  ///< As a list shows it; with a subject only.
    std::vector<oci::Descriptor> children{};
  };

  Result<const Facts*> facts(const LayoutFiles& files, const oci::Descriptor& manifest);

  std::unordered_map<oci::Digest, Facts> known_;
  std::unordered_map<oci::Digest, std::vector<oci::Descriptor>> referrers_;
};

}  // namespace transship::storage
