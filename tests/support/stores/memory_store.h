#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "oci/store.h"

// A store in memory, for tests of whatever works on the ports of oci/store.h: it behaves as a
// registry does, records every call, and fails where a test asks it to.

namespace transship::test {

/// The steps of the ports.
enum class Step : std::uint8_t {
  kResolve,
  kManifestGet,
  kBlobGet,
  kTags,
  kReferrers,
  kStartUpload,
  kUpload,
  kUploadStatus,
  kCancelUpload,
  kHasBlob,
  kPutManifest
};
std::string_view to_string(Step step);

/// A failure to come.
struct Fault {
  enum class Kind : std::uint8_t {
    kFail,        ///< The call fails with `error` before anything happens.
    kBreak,       ///< (bodies) `error` after `after` bytes of this call's body.
    kCorrupt,     ///< (bodies) The byte at `after` of this call's body is another one.
    kShort,       ///< (kBlobGet) The body ends after `after` bytes, and that is called a success.
    kLong,        ///< (kBlobGet) More bytes than were asked for.
    kLoseAnswer,  ///< (kUpload, kPutManifest) It is done, and then `error`.
    kStall,       ///< (bodies) After `after` bytes nothing moves until the call is cancelled.
    kSlow,        ///< (bodies) At `after` bytes a second.
    kLie          ///< (kUploadStatus) The offset is said to be `after`.
  };
  Step step = Step::kBlobGet;
  Kind kind = Kind::kFail;
  std::size_t skip = 0;   ///< Matching calls that go well first.
  std::size_t times = 1;  ///< Then so many fail.
  std::uint64_t after = 0;
  std::string what{};        ///< Only calls about this digest, tag or name; empty: any.
  std::string repository{};  ///< Only calls to this repository; empty: any.
  Error error{.code = Errc::kNetwork, .message = "connection reset", .retryable = true};
};

/// How a store behaves. May be changed between calls.
struct MemoryOptions {
  bool verifies_blobs = true;   ///< false: commits whatever has the announced size.
  bool checks_children = true;  ///< Manifest PUTs need their blobs and children.
  bool mounts = true;
  bool keeps_sessions = true;      ///< A broken upload can be gone on with.
  std::uint64_t session_step = 1;  ///< ...from a multiple of this.
  bool secret_sessions = false;    ///< Whoever knows a session's location may write to it.
  /// Where a session is once its status was asked; empty: where it was.
  std::string sessions_move_to{};
  bool referrers_api = true;            ///< false: fallback tags only.
  bool referrers_need_subject = false;  ///< The API says nothing of subjects that are not there.
  bool immutable_tags = false;          ///< kConflict when a tag would move.
  std::size_t piece = 64U << 10U;       ///< Bytes per write or read of a body.
  std::uint64_t read_rate = 0;  ///< Bytes a second of each blob GET, by the clock; 0: at once.
  std::uint64_t read_link = 0;  ///< Bytes a second of all blob GETs together; 0: no limit.
  std::chrono::milliseconds read_latency{0};  ///< From a blob GET to its first byte.
  std::uint64_t write_rate = 0;               ///< The same of each upload.
  RoundTrips round_trips{};                   ///< Of blob GETs, told at the start.
  bool splits = true;                         ///< Blobs may be read in several ranges at once.
  std::string version{};            ///< What blob GETs call their content; empty: nothing.
  std::size_t tags_per_page = 100;  ///< Of tag lists.
  bool lists_digests = false;       ///< `tags_with_digests` has some.
  std::size_t list_end = 0;         ///< Lists are cut behind so many tags; 0: never.
  /// What `tags_with_digests` says that a tag names; nothing: the truth.
  std::function<std::optional<oci::Digest>(const std::string& tag)> listed_digest{};
};

/// One finished call.
struct Call {
  Step step;
  std::string repository{};
  std::string what{};  ///< Digest, tag or name; the location of a session.
  std::optional<Errc> failed{};
  std::uint64_t bytes = 0;  ///< Of its body, moved.
  std::uint64_t first = 0;  ///< Where its body started.
  bool exact = false;       ///< (kBlobGet) Only that range would do.
  std::string version{};    ///< (kBlobGet) Which the caller has the beginning of.
  std::string note{};  ///< kStartUpload: "mounted", "present", "opened"; kPutManifest: the digest.
};

class MemoryRepository;
struct BodyPlan;

/// Repositories that share one store id: mounts work between them. On the control shard, bodies on
/// theirs.
class MemoryStore {
 public:
  explicit MemoryStore(std::string id, TimeSource& time = real_time());
  ~MemoryStore();

  /// Made when it is first named.
  MemoryRepository& repository(const std::string& name);
  const std::string& id() const { return id_; }

  MemoryOptions options;
  /// In the order in which calls ended.
  std::vector<Call> log;
  std::size_t calls(Step step) const;
  /// Body bytes that blob GETs gave or uploads took, failed ones too.
  std::uint64_t body_bytes(Step step) const;

  void inject(Fault fault) { faults_.push_back({std::move(fault), 0}); }
  void clear_faults() { faults_.clear(); }
  /// Asked at each call that no injected fault hits: random failures.
  std::function<std::optional<Fault>(Step, const std::string& what)> weather;
  /// Called when a call has ended and is in the log: invariants are checked here, at any moment.
  std::function<void(const Call&)> watch;

 private:
  friend class MemoryRepository;
  struct Armed {
    Fault fault;
    std::size_t seen = 0;
  };
  std::optional<Fault> strike(Step step, const std::string& repository, const std::string& what);
  void record(Call call);

  std::string id_;
  TimeSource& time_;
  std::vector<Armed> faults_;
  std::map<std::string, std::unique_ptr<MemoryRepository>> repositories_;
  std::uint64_t next_session_ = 0;
  Clock::time_point link_free_at_{};  ///< Of all reads.
};

class MemoryRepository final : public oci::TargetRepository {
 public:
  MemoryRepository(MemoryStore& store, std::string name);

  // What tests put in and look at, past all faults and logs.
  /// Any content type; the descriptor that refers to it.
  oci::Descriptor add_blob(std::string bytes, std::string media_type = "application/octet-stream",
                           oci::Algorithm algorithm = oci::Algorithm::kSha256);
  /// Any bytes under any digest: what a corrupt registry holds.
  void add_raw_blob(const oci::Digest& digest, std::string bytes);
  /// Parsed and kept; tagged if `tag` is not empty. Throws std::invalid_argument when the bytes are
  /// no manifest.
  oci::Manifest add_manifest(std::string bytes, const std::string& media_type,
                             const std::string& tag = "");
  void remove_blob(const oci::Digest& digest) { blobs_.erase(digest); }
  void remove_manifest(const oci::Digest& digest) { manifests_.erase(digest); }
  void tag(const std::string& tag, const oci::Digest& digest) { tags_[tag] = digest; }
  void untag(const std::string& tag) { tags_.erase(tag); }
  const std::string* blob_bytes(const oci::Digest& digest) const;
  const oci::Manifest* find(const oci::ManifestName& name) const;
  const std::map<std::string, oci::Digest>& tag_map() const { return tags_; }
  const std::map<oci::Digest, std::shared_ptr<const std::string>>& blobs() const { return blobs_; }
  const std::map<oci::Digest, oci::Manifest>& manifests() const { return manifests_; }
  std::size_t open_sessions() const { return sessions_.size(); }

  // The ports.
  oci::RepositoryId id() const override;
  Task<Result<oci::Descriptor>> resolve(oci::ManifestName name) override;
  Task<Result<oci::Manifest>> manifest(oci::ManifestName name) override;
  Task<Result<void>> blob(const oci::Descriptor& blob, oci::ByteRange range,
                          BodySink& sink) override;
  bool may_split_reads() const override { return store_.options.splits; }
  Task<Result<oci::TagPage>> tags(std::optional<std::string> cursor) override;
  Task<Result<oci::TagPage>> tags_with_digests(std::optional<std::string> cursor) override;
  Task<Result<oci::Referrers>> referrers(const oci::Digest& subject) override;
  const oci::RequestCounts& counts() const override { return counts_; }
  Task<Result<oci::UploadStart>> start_upload(const oci::Descriptor& blob,
                                              std::optional<oci::RepositoryName> from) override;
  Task<Result<void>> upload(oci::UploadSession& session, const oci::Descriptor& blob,
                            BodySource& body) override;
  Task<Result<void>> upload_status(oci::UploadSession& session) override;
  Task<void> cancel_upload(oci::UploadSession session) override;
  Task<Result<bool>> has_blob(const oci::Descriptor& blob) override;
  Task<Result<oci::PutOutcome>> put_manifest(oci::ManifestName name,
                                             const oci::Manifest& manifest) override;

 private:
  void end(Call call, const Error* error);
  /// Records the call with its end, and passes that on.
  template <class T>
  Result<T> ended(Call call, Result<T> result) {
    end(std::move(call), result ? nullptr : &result.error());
    return result;
  }
  /// What a kFail fault answers.
  std::optional<Error> refused(const std::optional<Fault>& fault) const;
  BodyPlan plan(const std::optional<Fault>& fault, bool reading) const;
  Result<void> accept(const oci::ManifestName& name, const oci::Manifest& manifest) const;
  Result<void> commit(const std::string& location, const oci::Descriptor& blob);
  void keep_session(const std::string& location);

  MemoryStore& store_;
  std::string name_;
  std::map<oci::Digest, std::shared_ptr<const std::string>> blobs_;
  std::map<oci::Digest, oci::Manifest> manifests_;
  std::map<std::string, oci::Digest> tags_;
  std::map<std::string, std::string> sessions_;  // location: bytes so far
  oci::RequestCounts counts_;
};

}  // namespace transship::test
