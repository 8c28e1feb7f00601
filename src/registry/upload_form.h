#pragma once

#include <cstdint>

#include "oci/store.h"
#include "registry/options.h"
#include "registry/profile.h"

namespace transship::registry {

/// Blobs up to this size are sent with the POST where that is taken. Such a blob is not asked for
/// first: what may be sent in vain is no more than an answer costs.
inline constexpr std::uint64_t kSinglePostMax = 64ULL << 10U;

/// The next request of an upload.
struct UploadStep {
  bool put = true;  ///< The PUT with all that is left; false: a PATCH of `bytes`.
  std::uint64_t bytes = 0;
  bool ranged = false;  ///< The PATCH carries a Content-Range.
};

/// Decides by profile, by what was learned, and by what the session asks (protocol.md 1.7). Pure.
/// `left`: bytes from `session.offset` to the blob's end.
UploadStep next_upload_step(const Profile& profile, const Learned& learned, const Options& options,
                            const oci::UploadSession& session, std::uint64_t left);

}  // namespace transship::registry
