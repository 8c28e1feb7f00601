#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "oci/digest.h"

namespace transship::server {

/// One change of what a repository lists.
///
/// Each is "last writer wins" for its key, so that a log may be replayed on top of an index.json
/// which holds all or part of it already: the end is the same.
struct Change {
  enum class Kind : char {
    kManifest = 'M',        ///< `digest` with type, size, and what it refers to.
    kRemoveManifest = 'D',  ///< `digest` and all tags that point to it.
    kTag = 'T',             ///< `tag` points to `digest`, which is listed.
    kRemoveTag = 'U'
  };
  Kind kind = Kind::kTag;
  oci::Digest digest{};
  std::string tag{};
  std::string media_type{};
  std::uint64_t size = 0;
  std::optional<oci::Digest> subject{};
  std::string referrer{};  ///< With a subject: the descriptor that referrer lists show, as JSON.
};

/// The bytes of one record: all of `changes`, or after a crash none of them.
/// Layout: payload length (u32), xxHash64 of the payload (u64), payload; little endian.
std::string encode_record(std::span<const Change> changes);

/// Calls `apply` for each change of each whole record; returns how many bytes were good. What
/// follows is a record torn by a crash, and was never acknowledged.
std::size_t replay_records(std::string_view bytes, const std::function<void(Change)>& apply);

}  // namespace transship::server
