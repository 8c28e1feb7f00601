#include "base/event.h"
#include "base/task_group.h"
#include "base/text.h"
#include "registry/blobs/body_filters.h"
#include "registry/blobs/upload_form.h"
#include "registry/repository.h"

namespace transship::registry {

using transport::Method;
using transport::Response;

namespace {

// Takes a body's waker, and gives it back when it goes.
class Awake {
 public:
  explicit Awake(BodySource& body) : body_(body), event_(body.executor()) {
    body_.set_waker([this] {
      called_ = true;
      event_.notify_all();
    });
  }
  Awake(const Awake&) = delete;
  Awake& operator=(const Awake&) = delete;
  ~Awake() { body_.set_waker({}); }

  Task<Result<void>> wait() {
    while (!std::exchange(called_, false)) TS_CO_TRY(co_await event_.wait());
    co_return Result<void>{};
  }

 private:
  BodySource& body_;
  Event event_;
  bool called_ = false;
};

// All of a small body, on its shard. Its end comes when its hash is right.
Task<Result<std::string>> read_whole(BodySource* body, std::size_t size) {
  Awake awake(*body);
  std::string out(size, '\0');
  for (std::size_t filled = 0; filled < size;) {
    const auto read = body->read(std::as_writable_bytes(std::span(out)).subspan(filled));
    if (read.flow == Flow::kFailed) co_return std::unexpected(body->failure());
    if (read.flow == Flow::kEnd) co_return fail(Errc::kNetwork, "the body ended early");
    if (read.flow == Flow::kWait) TS_CO_TRY(co_await awake.wait());
    if (read.flow == Flow::kMoved) filled += read.bytes;
  }
  co_return out;
}

}  // namespace

bool Repository::takes_single_post(const oci::Descriptor& blob) const {
  return host_.profile().single_post && !host_.learned().single_post_unusable && blob.size > 0 &&
         blob.size <= kSinglePostMax && blob.digest.algorithm() == oci::Algorithm::kSha256;
}

// What has no location opens, or needs no, session when its bytes are there. Nothing to keep.
oci::UploadSession Repository::unopened_session() {
  oci::UploadSession session;
  session.secret = true;
  return session;
}

// The bytes are kept for the time of it, so that a registry that only opens a session costs no more
// than one that was asked for a session.
Task<Result<void>> Repository::post_whole(oci::UploadSession& session, const oci::Descriptor& blob,
                                          BodySource& body) {
  const std::string what = action("POST", "blob " + blob.digest.short_string());
  TS_CO_TRY(
      const std::string bytes,
      co_await run_on(body.executor(), read_whole(&body, static_cast<std::size_t>(blob.size))));
  Call post =
      call(Method::kPost, path("blobs/uploads/?digest=" + percent_encode(blob.digest.to_string())),
           &oci::RequestCounts::upload_data);
  post.request_class = transport::RequestClass::kWrite;
  post.channel = transport::Channel::kBlob;
  post.headers.set("Content-Type", "application/octet-stream");
  post.body = bytes;
  post.first_byte_timeout = host_.options().commit_timeout;
  post.settle_bytes = blob.size;
  Result<Response> sent = co_await host_.send(std::move(post));
  if (!sent) co_return std::unexpected(std::move(sent).error().within(what));
  if (sent->status == 201) {
    session.offset = blob.size;
    co_return check_stored(*sent, blob.digest, what);
  }
  const bool opened = sent->status == 202;
  if (!opened) {
    const Error error = host_.error(*sent, what);
    if (error.retryable) co_return std::unexpected(error);
  }
  host_.learned().single_post_unusable = true;
  if (opened) {
    TS_CO_TRY(session, session_of(*sent));
  } else {
    TS_CO_TRY(auto start, co_await open_session(blob));
    session = std::get<oci::UploadSession>(std::move(start));
  }
  MemorySource again(co_await current_executor(), bytes);
  co_return co_await put_rest(session, blob, again, blob.size);
}

}  // namespace transship::registry
