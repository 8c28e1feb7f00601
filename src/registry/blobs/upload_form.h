#pragma once

#include <cstdint>

#include "oci/store.h"
#include "registry/options.h"
#include "registry/profile.h"

namespace transship::registry {

/// Blobs up to this size are sent with the POST where that is taken, and not asked for first. A
/// question and its answer weigh about a kilobyte and take a round trip and a request of the rate
/// limit; small blobs (configs, signatures) belong to one image, so that not one in sixteen is
/// there already. Above this what is sent in vain weighs more than what is asked in vain.
inline constexpr std::uint64_t kSinglePostMax = 16ULL << 10U;

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
