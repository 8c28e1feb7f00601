#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/body.h"
#include "base/task.h"
#include "oci/hasher.h"
#include "oci/manifest.h"
#include "oci/names.h"

// The small ports that every store implements: registries, OCI layouts, and the memory store of
// the tests. The engine sees nothing else. One protocol step each, a single attempt each: retries,
// limits and order are the engine's. All of them are called on the control shard.

namespace transship::oci {

/// How a manifest is named: by tag, by digest. (A layout's names are wider than tags; they travel
/// as `name`.)
struct ManifestName {
  std::string name;              ///< The tag, empty when `digest` is meant.
  std::optional<Digest> digest;  ///< Wins when both are there.

  static ManifestName by_tag(std::string tag) { return {std::move(tag), std::nullopt}; }
  static ManifestName by_digest(Digest digest) { return {"", std::move(digest)}; }
  std::string to_string() const { return digest ? digest->to_string() : name; }
};

/// Where a body is to start, and how far it goes. Both ends are known: sizes come from descriptors.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
  /// An answer that is not this range alone is refused (kRange) before its first byte: a store that
  /// cannot start at `first` would send all that lies before.
  bool exact = false;
  /// What an earlier answer called the content (`BodySink::begin`). A store that has another
  /// version by now sends all of that, of which the sink gets what lies at `first` and behind; with
  /// `exact` it refuses (kRange). Empty: any.
  std::string version{};
};

/// One page of a list, and how to go on.
struct TagPage {
  std::vector<std::string> tags;  ///< Valid tags only; what else was listed is counted.
  /// What the tags name, where the list says so: as many as `tags`, or none at all.
  std::vector<std::optional<Digest>> digests{};
  std::size_t invalid = 0;
  bool cut = false;  ///< This is where the store's lists end, whatever else there is.
  std::optional<std::string> next;  ///< Opaque: hand it back. Nothing: this was the last page.
};

/// Who answered for a list of referrers.
enum class ReferrersBy : std::uint8_t {
  kApi,    ///< The referrers API.
  kTag,    ///< The fallback tag: there is no API.
  kUnsaid  ///< The fallback tag: the API's answer did not say whether there is one.
};

struct Referrers {
  ReferrersBy by = ReferrersBy::kApi;
  std::vector<Descriptor> manifests;  ///< Each digest once.
};

/// Counts what a store cost, by kind, since it was made. Kept by the store, on the control shard.
struct RequestCounts {
  std::uint64_t manifest_get = 0, manifest_head = 0, manifest_put = 0;
  std::uint64_t blob_get = 0, blob_head = 0, upload_start = 0, mount = 0, upload_data = 0;
  std::uint64_t tag_list = 0, referrers = 0, token = 0, ping = 0, other = 0;
  std::uint64_t total() const {
    return manifest_get + manifest_head + manifest_put + blob_get + blob_head + upload_start +
           mount + upload_data + tag_list + referrers + token + ping + other;
  }
};

/// What engine and cli may know of a repository without asking.
struct RepositoryId {
  std::string store;  ///< "eu.example.com", "oci:/srv/layout": equal where mounts are possible.
  std::string repository;  ///< "" for a layout.
  std::string to_string() const;
  bool operator==(const RepositoryId&) const = default;
};

/// Content can be read from it.
class SourceRepository {
 public:
  virtual ~SourceRepository() = default;
  virtual RepositoryId id() const = 0;
  /// HEAD: type, digest, size. kNotFound, kRepositoryUnknown told apart where the store does.
  virtual Task<Result<Descriptor>> resolve(ManifestName name) = 0;
  /// The verified manifest. By tag: the digest that the registry claims must be that of the bytes.
  virtual Task<Result<Manifest>> manifest(ManifestName name) = 0;
  /// Streams `range` of a blob into `sink`, on the sink's shard. Ends with success only when all
  /// of `range` was delivered. Not verified here: the pipe hashes.
  virtual Task<Result<void>> blob(const Descriptor& blob, ByteRange range, BodySink& sink) = 0;
  /// Reading several ranges of one blob at once may pay, as far as is known: it is far away, and
  /// answers ranges.
  virtual bool may_split_reads() const { return false; }
  /// HEAD: it is there, with the size of its descriptor.
  virtual Task<Result<bool>> has_blob(const Descriptor& blob) = 0;
  virtual Task<Result<TagPage>> tags(std::optional<std::string> cursor) = 0;
  /// The same, with digests where the store has a list of its own that gives them; it may name a
  /// tag twice. Costs more than `tags` where nobody needs them.
  virtual Task<Result<TagPage>> tags_with_digests(std::optional<std::string> cursor) {
    return tags(std::move(cursor));
  }
  /// The manifests whose subject is `subject`. Falls back to the referrers tag by itself.
  virtual Task<Result<Referrers>> referrers(const Digest& subject) = 0;
  virtual const RequestCounts& counts() const = 0;
};

/// Where an upload stands. Opaque to the engine but for `offset`.
struct UploadSession {
  std::string location;      ///< Absolute URL or path; the newest one that the store gave.
  bool secret = false;       ///< The location carries a signature or is on another host: not kept.
  std::uint64_t offset = 0;  ///< Bytes that the store acknowledged.
  std::uint64_t chunk_min = 0, chunk_max = 0;  ///< Asked by the store; 0: none.
  /// `start_upload` finds what an interrupted run left by itself: the location need not be kept.
  bool found_again = false;
  /// The state of the `offset` bytes that were found, read back and hashed by the store.
  std::optional<HashState> found{};
};

/// The answer to opening an upload: the blob is there already (a mount, or the store knew it), or
/// a session to send it to.
struct BlobPresent {
  bool mounted = false;  ///< From another repository; false: it was in this one.
};
using UploadStart = std::variant<BlobPresent, UploadSession>;

/// The requests that a blob takes which is not there, as far as is known before: for plans.
struct UploadCost {
  std::uint64_t asks = 0;   ///< Whether it is there.
  std::uint64_t opens = 1;  ///< Sessions; each says by itself if the blob is there.
  std::uint64_t parts = 1;  ///< With bytes, or that end the upload.
};

/// What a manifest PUT came to.
struct PutOutcome {
  Digest digest;
  /// The store processed the manifest's `subject` itself: no fallback tag needed.
  bool subject_processed = false;
};

/// Content can be written to it (and read: existence, fallback tags).
class TargetRepository : public SourceRepository {
 public:
  /// Asks for a blob and opens an upload in one step. `from`: a repository of the same store that
  /// is known to hold it; nothing: the store may find it where it likes, in this repository first.
  virtual Task<Result<UploadStart>> start_upload(const Descriptor& blob,
                                                 std::optional<RepositoryName> from) = 0;
  /// Sends the bytes from `session.offset` to the blob's end and commits. The body's last byte is
  /// held back by the pipe until the hash is right. In the form (one PUT, chunks, streamed PATCH)
  /// that the store wants. `session` is kept up to date, also on failure.
  virtual Task<Result<void>> upload(UploadSession& session, const Descriptor& blob,
                                    BodySource& body) = 0;
  /// Brings `session.offset` up to date. kUploadUnknown: the session is gone.
  virtual Task<Result<void>> upload_status(UploadSession& session) = 0;
  /// Best effort.
  virtual Task<void> cancel_upload(UploadSession session) = 0;
  virtual UploadCost upload_cost(const Descriptor& blob) const {
    (void)blob;
    return {};
  }
  /// `name`: a tag, or the digest itself. The answer's digest must be the manifest's.
  virtual Task<Result<PutOutcome>> put_manifest(ManifestName name, const Manifest& manifest) = 0;
};

}  // namespace transship::oci
