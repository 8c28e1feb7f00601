#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/digest.h"

namespace transship::engine {

/// The tags of one list, in the order in which they came, each once: so packed that a repository of
/// a million fits into the memory of a pass. About 12 bytes a tag and its characters, and 32 more
/// where the list says what tags name.
class TagTable {
 public:
  /// False: it is there already, and stays as it is.
  bool add(std::string_view tag, const std::optional<oci::Digest>& digest);

  std::size_t size() const { return ends_.size(); }
  bool contains(std::string_view tag) const { return find(tag).has_value(); }
  std::optional<std::uint32_t> find(std::string_view tag) const;
  /// Good until the next `add`.
  std::string_view tag(std::uint32_t index) const;
  std::optional<oci::Digest> digest(std::uint32_t index) const;
  void clear() { *this = TagTable(); }

 private:
  using Packed = std::array<std::byte, 32>;
  std::size_t slot_of(std::string_view tag) const;
  void grow();
  void keep(const oci::Digest& digest);

  std::string names_;                 ///< Back to back.
  std::vector<std::uint32_t> ends_;   ///< Of each in `names_`.
  std::vector<std::uint32_t> slots_;  ///< Index + 1 by hash, probed in line; a power of two.
  std::vector<Packed> digests_;       ///< sha256, as far as some were given; zero: none.
  std::map<std::uint32_t, oci::Digest> long_digests_;
};

}  // namespace transship::engine
