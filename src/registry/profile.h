#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "transport/http.h"

namespace transship::registry {

/// How a blob's bytes are sent.
enum class UploadForm : std::uint8_t {
  kSinglePut,     ///< POST, then one PUT with the whole body.
  kChunked,       ///< PATCHes of a bounded size, the last bytes in the PUT.
  kStreamedPatch  ///< One PATCH with the whole body, then an empty PUT.
};

/// How tags are listed together with what they name: beyond the specification, each registry has
/// its own way.
enum class TagListing : std::uint8_t {
  kPlain,            ///< The specification's list: names only.
  kGoogleManifests,  ///< The specification's list, with a map of all manifests beside the tags.
  kAcrTags,          ///< /acr/v1/<name>/_tags, up to 1000 a page.
  kHarborArtifacts,  ///< Harbor's API, 100 artifacts a page. Leaves out signatures.
  kHubTags,          ///< The API of hub.docker.com, 100 a page.
  kZotSearch         ///< zot's search extension, 1000 a page. Leaves out signatures.
};

/// What is known of a kind of registry before it is asked: protocol.md section 7, as one table.
struct Profile {
  std::string_view name;
  UploadForm upload = UploadForm::kSinglePut;
  std::uint64_t chunk_max = 0;  ///< Largest PATCH; 0: no limit known.
  std::uint64_t chunk_min = 0;
  /// Mounts work, or an attempt opens a session all the same. False: a mount is never tried, and a
  /// blob is asked for before it is sent.
  bool mounts = true;
  /// A manifest PUT is refused when blobs below it are missing.
  bool checks_blobs = false;
  /// HEAD of a manifest gives digest and size.
  bool head = true;
  /// The referrers API is worth a request; its support is learned all the same.
  bool referrers_api = true;
  /// A small blob may be sent with the POST itself (`?digest=`). Others answer 202 to that, or
  /// refuse.
  bool single_post = false;
  /// A blob may be read in ranges.
  bool ranges = true;
  /// The status of an upload says one byte too many (Quay).
  bool status_one_more = false;
  TagListing listing = TagListing::kPlain;
  /// Lists that have exactly so many entries are cut there; 0: no such limit known.
  std::size_t list_end = 0;
  /// How a missing repository comes to be, for people.
  std::string_view missing_repository_hint = "";  ///< NAME stands for the repository.
};

/// The profile of a host by its name, or the one called `name`; generic when nothing fits.
const Profile& profile_for_host(std::string_view host);
/// Nothing when there is no profile of that name.
const Profile* profile_by_name(std::string_view name);
/// A better guess from what the host answered (headers, challenge), or nothing. Only a generic
/// profile is refined.
const Profile* profile_from_answer(const transport::Response& response);

/// What was learned of a registry while it was used. Facts that may change have an end.
struct Learned {
  /// A request with `mount` was refused outright: not tried again until then.
  std::optional<Clock::time_point> mounts_refused_until{};
  /// A mount from another repository has worked.
  bool mounted = false;
  /// HEAD of manifests is of no use here (405, no digest).
  bool head_unusable = false;
  /// Single PUTs above this are refused (413): larger blobs go in chunks of it.
  std::optional<std::uint64_t> largest_put{};
  /// A POST with the blob was not taken: sessions only.
  bool single_post_unusable = false;
  /// A PATCH was refused (404, 405, 416 at the first chunk): single PUTs only.
  bool patch_unusable = false;
  /// A manifest was refused for its missing blobs.
  bool checked_blobs = false;
  /// Repositories in a row whose tags could not be listed with digests, only plainly.
  std::size_t listings_refused = 0;
  /// After `kMostListingsRefused` of them: not tried again until then.
  std::optional<Clock::time_point> listing_refused_until{};
  /// A range of a blob was answered with all of it, or refused: blobs are read in one piece.
  bool ranges_unusable = false;
};

/// How long `mounts_refused_until` lasts.
inline constexpr std::chrono::hours kMountMemory{1};
inline constexpr std::size_t kMostListingsRefused = 3;
inline constexpr std::chrono::hours kListingMemory{1};

}  // namespace transship::registry
