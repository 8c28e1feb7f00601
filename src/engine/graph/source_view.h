#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/graph/run_state.h"
#include "engine/single_flight.h"

namespace transship::engine {

using ManifestPtr = std::shared_ptr<const oci::Manifest>;

/// One source repository as a run sees it: retried, limited, each thing asked once.
///
/// Manifests are shared while somebody holds them and are forgotten then; lists of referrers and
/// the digest tags are kept for the life of the view (a few bytes per subject without referrers).
/// On the control shard. Errors name the source.
class SourceView {
 public:
  SourceView(RunState& run, oci::SourceRepository& repository)
      : run_(run), repository_(repository), id_(repository.id()) {}

  oci::SourceRepository& repository() { return repository_; }
  const oci::RepositoryId& id() const { return id_; }
  TimeSource& time() const { return run_.context.time; }

  /// Type, digest and size; by GET where the store has no HEAD.
  [[nodiscard]] Task<Result<oci::Descriptor>> resolve(oci::ManifestName name);
  /// The manifest; by digest from memory when somebody holds it.
  [[nodiscard]] Task<Result<ManifestPtr>> manifest(oci::ManifestName name);
  /// All of a small blob (an image config), verified; memory is not budgeted for it.
  [[nodiscard]] Task<Result<std::string>> small_blob(oci::Descriptor blob);
  [[nodiscard]] Task<Result<bool>> has_blob(oci::Descriptor blob);
  /// What refers to `subject`, by API or fallback tag.
  [[nodiscard]] Task<Result<std::vector<oci::Descriptor>>> referrers(oci::Digest subject);
  /// The digest tags with a suffix (".sig", ...) of `subject`. The repository's tags are listed
  /// once, at the first call; where that list lacks some, those that cosign writes are asked for.
  [[nodiscard]] Task<Result<std::vector<std::string>>> digest_tags(oci::Digest subject);
  /// For who has listed the tags anyway: they are not listed again. `whole`: there are no others.
  void set_digest_tags(const std::vector<std::string>& tags, bool whole = true);

 private:
  [[nodiscard]] Task<Result<ManifestPtr>> by_tag(oci::ManifestName name);
  [[nodiscard]] Task<Result<ManifestPtr>> by_digest(oci::Digest digest);
  [[nodiscard]] Task<std::optional<oci::Manifest>> cached(const oci::Digest& digest);
  [[nodiscard]] Task<Result<ManifestPtr>> fetch(oci::ManifestName name);
  ManifestPtr keep(oci::Manifest manifest);
  [[nodiscard]] Task<Result<std::vector<oci::Descriptor>>> ask_referrers(oci::Digest subject);
  [[nodiscard]] Task<Result<bool>> list_digest_tags();
  [[nodiscard]] Task<Result<void>> ask_digest_tags(oci::Digest subject,
                                                   std::vector<std::string>* out);
  void note_digest_tag(const std::string& tag);
  std::string describe(const oci::ManifestName& name) const;

  RunState& run_;
  oci::SourceRepository& repository_;
  oci::RepositoryId id_;
  SingleFlight<oci::Digest, ManifestPtr> fetches_{false};
  std::unordered_map<oci::Digest, std::weak_ptr<const oci::Manifest>> held_;
  std::size_t sweep_at_ = 256;  ///< Rows of `held_`.
  SingleFlight<oci::Digest, std::vector<oci::Descriptor>> lists_{true};
  SingleFlight<int, bool> tag_list_{true};
  /// By algorithm and hex, cut to 64 digits, as the tags spell it.
  std::map<std::string, std::vector<std::string>> digest_tags_;
  bool tags_known_ = false;
  bool tags_whole_ = true;    ///< No digest tag is missing in `digest_tags_`.
  bool api_missing_ = false;  ///< The source has no referrers API.
};

}  // namespace transship::engine
