#include "registry/blobs/upload_form.h"

#include <algorithm>

namespace transship::registry {

UploadStep next_upload_step(const Profile& profile, const Learned& learned, const Options& options,
                            const oci::UploadSession& session, std::uint64_t left) {
  const UploadStep put{.put = true, .bytes = left, .ranged = false};
  const bool limited = learned.largest_put.has_value();
  const bool asked = session.chunk_min > 0 || session.chunk_max > 0;
  const bool chunked = profile.upload == UploadForm::kChunked || asked || limited;
  if (left == 0) return put;
  if (chunked && !learned.patch_unusable) {
    std::uint64_t chunk = options.chunk_bytes;
    if (profile.upload == UploadForm::kChunked && profile.chunk_max > 0) chunk = profile.chunk_max;
    if (limited) {
      chunk = std::min(chunk, *learned.largest_put);
      if (profile.chunk_max > 0) chunk = std::min(chunk, profile.chunk_max);
    }
    chunk = std::max(chunk, session.chunk_min);
    if (session.chunk_max > 0) chunk = std::min(chunk, session.chunk_max);
    if (left > chunk) return {.put = false, .bytes = chunk, .ranged = true};
    return put;
  }
  if (profile.upload == UploadForm::kStreamedPatch && !learned.patch_unusable) {
    return {.put = false, .bytes = left, .ranged = session.offset > 0};
  }
  return put;
}

}  // namespace transship::registry
