#include "support/stores/memory_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/stores/memory_bodies.h"

namespace transship::test {

std::string_view to_string(Step step) {
  switch (step) {
    case Step::kResolve:
      return "resolve";
    case Step::kManifestGet:
      return "manifest get";
    case Step::kBlobGet:
      return "blob get";
    case Step::kTags:
      return "tags";
    case Step::kReferrers:
      return "referrers";
    case Step::kStartUpload:
      return "start upload";
    case Step::kUpload:
      return "upload";
    case Step::kUploadStatus:
      return "upload status";
    case Step::kCancelUpload:
      return "cancel upload";
    case Step::kHasBlob:
      return "has blob";
    case Step::kPutManifest:
      return "put manifest";
  }
  return "?";
}

MemoryStore::MemoryStore(std::string id, TimeSource& time) : id_(std::move(id)), time_(time) {}
MemoryStore::~MemoryStore() = default;

MemoryRepository& MemoryStore::repository(const std::string& name) {
  auto& slot = repositories_[name];
  if (!slot) slot = std::make_unique<MemoryRepository>(*this, name);
  return *slot;
}

std::size_t MemoryStore::calls(Step step) const {
  return static_cast<std::size_t>(std::ranges::count(log, step, &Call::step));
}

std::uint64_t MemoryStore::body_bytes(Step step) const {
  std::uint64_t sum = 0;
  for (const Call& call : log) sum += call.step == step ? call.bytes : 0;
  return sum;
}

std::optional<Fault> MemoryStore::strike(Step step, const std::string& repository,
                                         const std::string& what) {
  for (Armed& armed : faults_) {
    const Fault& fault = armed.fault;
    if (fault.step != step || (!fault.what.empty() && fault.what != what)) continue;
    if (!fault.repository.empty() && fault.repository != repository) continue;
    const std::size_t number = armed.seen++;
    if (number >= fault.skip && number - fault.skip < fault.times) return fault;
  }
  return weather ? weather(step, what) : std::nullopt;
}

void MemoryStore::record(Call call) {
  log.push_back(std::move(call));
  if (watch) watch(Call(log.back()));
}

MemoryRepository::MemoryRepository(MemoryStore& store, std::string name)
    : store_(store), name_(std::move(name)) {}

oci::RepositoryId MemoryRepository::id() const { return {store_.id_, name_}; }

void MemoryRepository::end(Call call, const Error* error) {
  call.repository = name_;
  if (error != nullptr) call.failed = error->code;
  store_.record(std::move(call));
}

oci::Descriptor MemoryRepository::add_blob(std::string bytes, std::string media_type,
                                           oci::Algorithm algorithm) {
  oci::Descriptor blob{.media_type = std::move(media_type),
                       .digest = oci::digest_of(bytes, algorithm),
                       .size = bytes.size()};
  add_raw_blob(blob.digest, std::move(bytes));
  return blob;
}

void MemoryRepository::add_raw_blob(const oci::Digest& digest, std::string bytes) {
  blobs_[digest] = std::make_shared<const std::string>(std::move(bytes));
}

const std::string* MemoryRepository::blob_bytes(const oci::Digest& digest) const {
  const auto found = blobs_.find(digest);
  return found == blobs_.end() ? nullptr : found->second.get();
}

std::optional<Error> MemoryRepository::refused(const std::optional<Fault>& fault) const {
  if (!fault || fault->kind != Fault::Kind::kFail) return std::nullopt;
  return fault->error;
}

Task<Result<void>> MemoryRepository::blob(const oci::Descriptor& blob, oci::ByteRange range,
                                          BodySink& sink) {
  ++counts_.blob_get;
  Call call{.step = Step::kBlobGet,
            .what = blob.digest.to_string(),
            .first = range.first,
            .exact = range.exact,
            .version = range.version};
  const auto fault = store_.strike(call.step, name_, call.what);
  Result<void> result;
  const auto found = blobs_.find(blob.digest);
  const std::string version = store_.options.version;
  if (!version.empty()) sink.begin(version);
  if (store_.options.round_trips.now.count() != 0) sink.note(store_.options.round_trips);
  if (range.exact && !range.version.empty() && range.version != version) {
    result = fail(Errc::kRange, "the content has another version");
  } else if (const auto error = refused(fault)) {
    result = std::unexpected(*error);
  } else if (found == blobs_.end()) {
    result = fail(Errc::kNotFound, "no such blob: " + call.what);
  } else if (range.first + range.length > found->second->size()) {
    // As a store does whose blob is shorter than its descriptor says: what there is, then the end.
    range.length = found->second->size() - std::min(range.first, found->second->size());
    const auto moved = co_await give_body(found->second, range, sink, plan(fault, true));
    call.bytes = moved.moved;
    result = fail(Errc::kSizeMismatch, "the blob is shorter than its descriptor says");
  } else {
    auto moved = co_await give_body(found->second, range, sink, plan(fault, true));
    call.bytes = moved.moved;
    result = std::move(moved.result);
  }
  co_return ended(std::move(call), std::move(result));
}

BodyPlan MemoryRepository::plan(const std::optional<Fault>& fault, bool reading) const {
  const MemoryOptions& options = store_.options;
  std::uint64_t rate = reading ? options.read_rate : options.write_rate;
  if (fault && fault->kind == Fault::Kind::kSlow) rate = fault->after;
  return {.piece = options.piece,
          .rate = rate,
          .link = reading ? options.read_link : 0,
          .link_free_at = &store_.link_free_at_,
          .latency = reading ? options.read_latency : std::chrono::milliseconds(0),
          .time = &store_.time_,
          .fault = fault};
}

Task<Result<oci::UploadStart>> MemoryRepository::start_upload(
    const oci::Descriptor& blob, std::optional<oci::RepositoryName> from) {
  Call call{.step = Step::kStartUpload, .what = blob.digest.to_string()};
  if (const auto error = refused(store_.strike(call.step, name_, call.what))) {
    ++counts_.upload_start;
    co_return ended(std::move(call), Result<oci::UploadStart>(std::unexpected(*error)));
  }
  const bool present = blobs_.contains(blob.digest);
  const auto sibling = from ? store_.repositories_.find(from->str()) : store_.repositories_.end();
  if (!present && store_.options.mounts && sibling != store_.repositories_.end()) {
    const auto found = sibling->second->blobs_.find(blob.digest);
    if (found != sibling->second->blobs_.end()) blobs_[blob.digest] = found->second;
  }
  if (blobs_.contains(blob.digest)) {
    ++counts_.mount;
    call.note = present ? "present" : "mounted";
    co_return ended(std::move(call),
                    Result<oci::UploadStart>(oci::BlobPresent{.mounted = !present}));
  }
  ++counts_.upload_start;
  call.note = "opened";
  oci::UploadSession session;
  session.location = fmt::format("/v2/{}/blobs/uploads/{}", name_, store_.next_session_++);
  session.secret = store_.options.secret_sessions;
  sessions_[session.location];
  co_return ended(std::move(call), Result<oci::UploadStart>(std::move(session)));
}

void MemoryRepository::keep_session(const std::string& location) {
  const MemoryOptions& options = store_.options;
  if (!options.keeps_sessions) {
    sessions_.erase(location);
    return;
  }
  std::string& bytes = sessions_[location];
  bytes.resize(bytes.size() - bytes.size() % options.session_step);
}

Result<void> MemoryRepository::commit(const std::string& location, const oci::Descriptor& blob) {
  std::string bytes = std::move(sessions_[location]);
  sessions_.erase(location);
  if (bytes.size() != blob.size ||
      (store_.options.verifies_blobs &&
       oci::digest_of(bytes, blob.digest.algorithm()) != blob.digest)) {
    return fail(Errc::kDigestMismatch, "DIGEST_INVALID");
  }
  add_raw_blob(blob.digest, std::move(bytes));
  return {};
}

Task<Result<void>> MemoryRepository::upload(oci::UploadSession& session,
                                            const oci::Descriptor& blob, BodySource& body) {
  ++counts_.upload_data;
  Call call{.step = Step::kUpload, .what = blob.digest.to_string(), .first = session.offset};
  const auto fault = store_.strike(call.step, name_, call.what);
  const auto found = sessions_.find(session.location);
  if (const auto error = refused(fault)) {
    keep_session(session.location);
    co_return ended(std::move(call), Result<void>(std::unexpected(*error)));
  }
  if (found == sessions_.end()) {
    co_return ended(std::move(call), Result<void>(fail(Errc::kUploadUnknown, "no such session")));
  }
  if (session.offset != found->second.size() || session.offset > blob.size) {
    co_return ended(std::move(call), Result<void>(fail(Errc::kRange, "not where the session is")));
  }
  const std::string location = session.location;
  auto moved = co_await take_body(blob.size - session.offset, body, plan(fault, false));
  call.bytes = moved.moved;
  sessions_[location] += moved.bytes;
  if (!moved.result) {
    keep_session(location);
    co_return ended(std::move(call), std::move(moved.result));
  }
  Result<void> result = commit(location, blob);
  if (result && fault && fault->kind == Fault::Kind::kLoseAnswer) {
    result = std::unexpected(fault->error);
  }
  co_return ended(std::move(call), std::move(result));
}

Task<Result<void>> MemoryRepository::upload_status(oci::UploadSession& session) {
  ++counts_.other;
  Call call{.step = Step::kUploadStatus, .what = session.location};
  const auto fault = store_.strike(call.step, name_, call.what);
  const auto found = sessions_.find(session.location);
  Result<void> result;
  if (const auto error = refused(fault)) {
    result = std::unexpected(*error);
  } else if (found == sessions_.end()) {
    result = fail(Errc::kUploadUnknown, "no such session");
  } else {
    const bool lies = fault && fault->kind == Fault::Kind::kLie;
    session.offset = lies ? fault->after : found->second.size();
    session.secret = store_.options.secret_sessions;
    if (const std::string& to = store_.options.sessions_move_to; !to.empty()) {
      sessions_[to] = std::move(found->second);
      sessions_.erase(found);
      session.location = to;
    }
  }
  co_return ended(std::move(call), std::move(result));
}

Task<void> MemoryRepository::cancel_upload(oci::UploadSession session) {
  ++counts_.other;
  Call call{.step = Step::kCancelUpload, .what = session.location};
  const auto fault = store_.strike(call.step, name_, call.what);
  if (!refused(fault)) sessions_.erase(session.location);
  (void)ended(std::move(call), Result<void>());
  co_return;
}

Task<Result<bool>> MemoryRepository::has_blob(const oci::Descriptor& blob) {
  ++counts_.blob_head;
  Call call{.step = Step::kHasBlob, .what = blob.digest.to_string()};
  const auto fault = store_.strike(call.step, name_, call.what);
  Result<bool> result = blobs_.contains(blob.digest);
  if (const auto error = refused(fault)) result = std::unexpected(*error);
  co_return ended(std::move(call), std::move(result));
}

}  // namespace transship::test
