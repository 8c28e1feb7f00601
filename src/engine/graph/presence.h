#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event.h"
#include "oci/store.h"

namespace transship::engine {

/// What a run knows of content at its target repositories, and what is on its way there: the
/// single-flight of invariant 3, one entry per (target store, digest). May outlive an artifact: all
/// of a run share one for blobs and one for manifests. On the control shard.
///
/// An entry is about 150 bytes; a repository costs its name once. Past `most` entries those that
/// nobody touched for long are forgotten: what is asked about them again costs a request.
class Presence {
 public:
  static constexpr std::size_t kMost = 100'000;
  explicit Presence(std::size_t most = kMost) : most_(most) {}

  enum class State : std::uint8_t { kUnknown, kComing, kHere };

  State at(const oci::RepositoryId& where, const oci::Digest& digest) const;

  /// True: the caller brings it, and must end with `arrived` or `failed`.
  bool claim(const oci::RepositoryId& where, const oci::Digest& digest);
  void arrived(const oci::RepositoryId& where, const oci::Digest& digest);
  void failed(const oci::RepositoryId& where, const oci::Digest& digest);
  /// It turned out not to be there after all.
  void forget(const oci::RepositoryId& where, const oci::Digest& digest);

  std::size_t size() const;
  /// All that was in one repository; nobody may wait for any of it.
  void forget_repository(const oci::RepositoryId& where);

  /// A repository of the same store, but not `where` itself, that holds it.
  std::optional<std::string> sibling(const oci::RepositoryId& where,
                                     const oci::Digest& digest) const;
  /// It is on its way to another repository of the same store.
  bool coming_to_sibling(const oci::RepositoryId& where, const oci::Digest& digest) const;

  /// Waits until something changes about `digest` at the store of `where`.
  [[nodiscard]] Task<Result<void>> changed(const oci::RepositoryId& where,
                                           const oci::Digest& digest);

 private:
  using Number = std::uint32_t;
  struct Holder {
    Number repository;
    State state;
  };
  struct Entry {
    boost::container::small_vector<Holder, 2> holders;
    std::uint64_t touched = 0;
  };
  struct Store {
    const Entry* find(const oci::Digest& digest) const;
    /// None: nothing was ever said of that repository.
    std::optional<Number> number(const std::string& repository) const;
    Number numbered(const std::string& repository);

    std::unordered_map<std::string, Number> numbers;  ///< Of repositories.
    std::vector<const std::string*> names;            ///< By number: the keys of `numbers`.
    std::unordered_map<oci::Digest, Entry> entries;
    std::unordered_map<oci::Digest, std::shared_ptr<Event>> awaited;  ///< While somebody waits.
  };
  const Store* store_of(const oci::RepositoryId& where) const;
  void trim();
  void set(const oci::RepositoryId& where, const oci::Digest& digest, State state);

  std::size_t most_;
  std::uint64_t touches_ = 0;
  std::uint64_t trimmed_at_ = 0;
  std::map<std::string, Store> stores_;
};

}  // namespace transship::engine
