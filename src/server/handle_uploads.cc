#include <fmt/format.h>

#include <expected>

#include "base/event.h"
#include "base/text.h"
#include "server/handlers.h"
#include "server/tree/upload_writer.h"

namespace transship::server {

namespace {

using SessionPtr = std::shared_ptr<UploadSession>;

// How long the status of a session waits for a request that is at it.
constexpr int kLooks = 25;
constexpr std::chrono::milliseconds kLookAgain{10};

/// Marks a session as in use while a request is at it.
class Hold {
 public:
  explicit Hold(SessionPtr session) : session_(std::move(session)) { session_->busy = true; }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    session_->busy = false;
    session_->last_used = Clock::now();
  }

 private:
  SessionPtr session_;
};

std::string session_path(const Route& route, const UploadSession& session) {
  return fmt::format("/v2/{}/blobs/uploads/{}", route.name, session.id);
}

/// Where a session stands, as POST, PATCH, GET and 416 tell it.
Reply& tell_session(Reply& reply, const Route& route, const UploadSession& session) {
  reply.header("Location", session_path(route, session));
  reply.header("Docker-Upload-UUID", session.id);
  const std::uint64_t last = session.offset == 0 ? 0 : session.offset - 1;
  return reply.header("Range", fmt::format("0-{}", last));
}

Reply upload_unknown() { return error_reply(404, "BLOB_UPLOAD_UNKNOWN", "no such upload session"); }

Reply upload_busy(const Route& route, const UploadSession& session) {
  Reply reply = error_reply(409, "BLOB_UPLOAD_INVALID", "another request is at this session");
  reply.header("Retry-After", "1");
  tell_session(reply, route, session);
  return reply;
}

/// The session that a request names, with no other request at it; or the answer that says why not.
std::expected<SessionPtr, Reply> free_session(Context& context, const Route& route) {
  auto session = context.uploads.find(route.name, route.reference);
  if (!session) return std::unexpected(upload_unknown());
  if (session->busy) return std::unexpected(upload_busy(route, *session));
  return session;
}

Reply created(const Route& route, const oci::Digest& digest) {
  Reply reply{.status = 201};
  reply.header("Location", fmt::format("/v2/{}/blobs/{}", route.name, digest.to_string()));
  reply.header("Docker-Content-Digest", digest.to_string());
  return reply;
}

/// Content-Range of an upload: "first-last", nothing else.
struct ChunkRange {
  std::uint64_t first = 0, last = 0;
};
Result<std::optional<ChunkRange>> chunk_range(const Request& request) {
  if (request.content_range.empty()) return std::nullopt;
  const auto parts = split(request.content_range, '-');
  if (parts.size() == 2) {
    const auto first = parse_u64(parts[0]);
    const auto last = parse_u64(parts[1]);
    if (first && last && *first <= *last) return ChunkRange{*first, *last};
  }
  return fail(Errc::kInvalidArgument, "Content-Range must be <first>-<last>");
}

/// Checks what a chunk announces; nothing when it may be appended.
std::optional<Reply> refuse_chunk(const Request& request, const Route& route,
                                  const UploadSession& session, const RequestBody& body) {
  const auto range = chunk_range(request);
  if (!range) return error_reply(400, "BLOB_UPLOAD_INVALID", range.error().message);
  if (!*range) return std::nullopt;
  if ((*range)->first != session.offset) {
    Reply reply =
        error_reply(416, "RANGE_INVALID", fmt::format("the next byte is {}", session.offset));
    tell_session(reply, route, session);
    return reply;
  }
  if (body.length() && *body.length() != (*range)->last - (*range)->first + 1) {
    return error_reply(400, "SIZE_INVALID", "Content-Range and Content-Length do not agree");
  }
  return std::nullopt;
}

/// The digest of all that the session holds, under `algorithm`.
Task<Result<oci::Digest>> session_digest(Context& context, SessionPtr session,
                                         oci::Algorithm algorithm) {
  const bool same = session->algorithm == algorithm;
  if (same && session->hash.length == session->offset) {
    co_return oci::Hasher(session->hash).finish();
  }
  // After a restart, or when the upload did not say that it would end under another algorithm.
  const auto from = same ? session->hash : oci::HashState::initial(algorithm);
  co_return co_await context.store.pool().run(
      [&context, session, from] { return hash_upload(context.store.tree(), *session, from); });
}

Task<Reply> commit_session(Context& context, const Route& route, SessionPtr session,
                           oci::Digest digest) {
  const auto found = co_await session_digest(context, session, digest.algorithm());
  if (!found) co_return failure_reply(found.error());
  if (*found != digest) {
    co_return digest_invalid(fmt::format("the {} bytes of the upload have the digest {}",
                                         session->offset, found->to_string()));
  }
  const auto repository = co_await context.store.obtain(route.name);
  if (!repository) co_return failure_reply(repository.error());
  auto committed =
      co_await context.store.pool().run([&context, session, digest, name = route.name] {
        return context.store.tree().commit_upload(session->file, name, digest, session->offset);
      });
  if (!committed) co_return failure_reply(committed.error());
  context.uploads.forget(*session);
  context.store.note_blob(digest, route.name);
  co_return created(route, digest);
}

Task<Result<SessionPtr>> open_session(Context& context, const Route& route,
                                      std::optional<oci::Digest> digest) {
  auto algorithm = digest ? digest->algorithm() : oci::Algorithm::kSha256;
  if (route.parameter("digest-algorithm") == to_string(oci::Algorithm::kSha512)) {
    algorithm = oci::Algorithm::kSha512;
  }
  co_return co_await context.uploads.create(route.name, algorithm);
}

Reply no_session(const Error& error) {
  if (error.code != Errc::kRateLimited) return failure_reply(error);
  return error_reply(429, "TOOMANYREQUESTS", error.message).header("Retry-After", "10");
}

/// POST ?digest=: the whole blob in one request. A failure leaves nothing behind.
Task<Reply> upload_at_once(Context& context, const Route& route, RequestBody& body,
                           std::string text) {
  const auto digest = oci::Digest::parse(text);
  if (!digest) co_return digest_invalid(digest.error().message);
  auto session = co_await open_session(context, route, *digest);
  if (!session) co_return no_session(session.error());
  const Hold hold(*session);
  const auto received =
      co_await receive_upload(context.store.tree(), context.files, *session, body);
  Reply reply = received ? co_await commit_session(context, route, *session, *digest)
                         : failure_reply(received.error());
  if (reply.status != 201) co_await context.uploads.remove(*session);
  co_return reply;
}

/// True when the blob is now in the repository.
Task<Result<bool>> mount(Context& context, const Route& route, oci::Digest digest) {
  const LayoutTree& tree = context.store.tree();
  if (tree.blob_size(route.name, digest)) co_return true;
  std::optional<std::string> from = route.parameter("from");
  if (!from) {
    from = co_await context.store.repository_with(digest);
  } else if (!oci::RepositoryName::parse(*from)) {
    from.reset();
  }
  if (!from || !tree.blob_size(*from, digest)) co_return false;
  auto repository = co_await context.store.obtain(route.name);
  if (!repository) co_return std::unexpected(repository.error());
  auto linked = co_await context.store.pool().run([&tree, from = *from, name = route.name, digest] {
    return tree.link_blob(from, name, digest);
  });
  if (linked && *linked) context.store.note_blob(digest, route.name);
  co_return linked;
}

}  // namespace

Task<Reply> start_upload(Context& context, const Request&, const Route& route, RequestBody& body) {
  if (const auto text = route.parameter("mount")) {
    const auto digest = oci::Digest::parse(*text);
    if (!digest) co_return digest_invalid(digest.error().message);
    const auto mounted = co_await mount(context, route, *digest);
    if (!mounted) co_return failure_reply(mounted.error());
    if (*mounted) co_return created(route, *digest);
  } else if (const auto wanted = route.parameter("digest")) {
    co_return co_await upload_at_once(context, route, body, *wanted);
  }
  const auto algorithm = route.parameter("digest-algorithm");
  if (algorithm && *algorithm != "sha256" && *algorithm != "sha512") {
    co_return error_reply(400, "DIGEST_INVALID", "digest-algorithm must be sha256 or sha512");
  }
  auto session = co_await open_session(context, route, std::nullopt);
  if (!session) co_return no_session(session.error());
  Reply reply{.status = 202};
  tell_session(reply, route, **session);
  co_return reply;
}

Task<Reply> patch_upload(Context& context, const Request& request, const Route& route,
                         RequestBody& body) {
  auto session = free_session(context, route);
  if (!session) co_return std::move(session).error();
  if (auto refused = refuse_chunk(request, route, **session, body)) co_return std::move(*refused);
  const Hold hold(*session);
  const auto received =
      co_await receive_upload(context.store.tree(), context.files, *session, body);
  if (!received) co_return failure_reply(received.error());
  Reply reply{.status = 202};
  tell_session(reply, route, **session);
  co_return reply;
}

Task<Reply> put_upload(Context& context, const Request& request, const Route& route,
                       RequestBody& body) {
  auto session = free_session(context, route);
  if (!session) co_return std::move(session).error();
  const auto text = route.parameter("digest");
  if (!text) co_return digest_invalid("the digest parameter is missing");
  const auto digest = oci::Digest::parse(*text);
  if (!digest) co_return digest_invalid(digest.error().message);
  if (auto refused = refuse_chunk(request, route, **session, body)) co_return std::move(*refused);
  const Hold hold(*session);
  if (UploadSession& at = **session; at.offset == 0 && at.algorithm != digest->algorithm()) {
    at.algorithm = digest->algorithm();
    at.hash = oci::HashState::initial(at.algorithm);
  }
  const auto received =
      co_await receive_upload(context.store.tree(), context.files, *session, body);
  if (!received) co_return failure_reply(received.error());
  co_return co_await commit_session(context, route, *session, *digest);
}

Task<Reply> get_upload(Context& context, const Route& route) {
  const auto session = context.uploads.find(route.name, route.reference);
  if (!session) co_return upload_unknown();
  // What a broken connection brought may still be on its way to the file: an offset told now would
  // be too small, and what is then sent from there would land behind it. A request that goes on for
  // longer is a living one, and the offset is then only news.
  for (int look = 0; session->busy && look < kLooks; ++look) {
    if (!co_await sleep_for(kLookAgain)) break;
  }
  Reply reply{.status = 204};
  tell_session(reply, route, *session);
  co_return reply;
}

Task<Reply> delete_upload(Context& context, const Route& route) {
  auto session = free_session(context, route);
  if (!session) co_return std::move(session).error();
  co_await context.uploads.remove(*std::move(session));
  co_return Reply{.status = 204};
}

}  // namespace transship::server
