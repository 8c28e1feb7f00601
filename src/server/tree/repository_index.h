#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/tree/tag_log.h"

namespace transship::server {

/// What a repository lists, in memory: manifests, tags, and who refers to whom.
/// A plain value: no I/O, no locks.
class RepositoryIndex {
 public:
  struct Entry {
    const std::string* media_type = nullptr;  ///< Interned in the index.
    std::uint64_t size = 0;
    std::optional<oci::Digest> subject;
    std::string referrer;
    std::size_t tags = 0;  ///< How many point to it.
  };
  using Manifests = std::unordered_map<oci::Digest, Entry>;
  using Listed = Manifests::value_type;
  using Tags = std::map<std::string, Listed*, std::less<>>;  // Sorted: lists are pages of it.
  using Referrers = std::set<oci::Digest>;

  RepositoryIndex() = default;
  RepositoryIndex(RepositoryIndex&&) = default;
  RepositoryIndex& operator=(RepositoryIndex&&) = default;

  /// A tag whose digest is not listed is ignored.
  void apply(const Change& change);

  /// Nothing when it is not listed.
  const Listed* by_tag(std::string_view tag) const;
  const Listed* by_digest(const oci::Digest& digest) const;
  const Tags& tags() const { return tags_; }
  const Manifests& manifests() const { return manifests_; }
  /// Sorted by digest; never null.
  const Referrers& referrers(const oci::Digest& subject) const;

  std::size_t entries() const { return tags_.size() + manifests_.size(); }

 private:
  void add_manifest(const Change& change);
  void remove_manifest(const oci::Digest& digest);
  void set_tag(const Change& change);
  void remove_tag(std::string_view tag);
  void forget_subject(const Listed& manifest);

  // Nodes keep their address: tags point to them.
  Manifests manifests_;
  Tags tags_;
  std::unordered_map<oci::Digest, Referrers> referrers_;
  std::set<std::string, std::less<>> media_types_;
};

/// index.json of a layout: one entry per tag (`org.opencontainers.image.ref.name`), one per
/// manifest that has no tag or refers to a subject.
std::string print_index_file(const RepositoryIndex& index);

/// What an index.json lists. `complete`: it is as `print_index_file` wrote it. Where it is not
/// (another program wrote the layout), children and subjects are to be found by reading manifests.
struct IndexFile {
  std::vector<Change> changes;
  bool complete = false;
};
Result<IndexFile> parse_index_file(std::string_view bytes);

}  // namespace transship::server
