#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/task_group.h"
#include "registry/profile.h"
#include "registry/registry.h"
#include "support/engine/fake_clock.h"
#include "support/http/scripted_http.h"

namespace transship::registry {

using test::answer;
using test::ScriptedHttp;
using test::SentRequest;
using transport::Method;

/// A registry client over scripted HTTP and a clock that stands still.
class Rig {
  // First, so that it goes last: the client's events belong to this loop.
  boost::asio::io_context io_;

 public:
  explicit Rig(Options options = {}, std::string host = "reg.example.com") {
    make(std::move(options), std::move(host));
  }
  Rig(Credential credential, Options options = {}, std::string host = "reg.example.com")
      : credentials_(std::make_unique<FixedCredential>(std::move(credential))) {
    make(std::move(options), std::move(host));
  }

  /// Once per rig: the client's waits belong to the loop of this run.
  void run(std::function<Task<Result<void>>()> body) {
    Result<void> result = fail(Errc::kInternal, "the task never ended");
    start(io_.get_executor(), body(), [&](Result<void> end) { result = std::move(end); });
    io_.run();
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().describe());
  }

  std::unique_ptr<oci::TargetRepository> repository(Access access = Access::kPush,
                                                    std::string name = "team/app") {
    return registry->repository(oci::RepositoryName::parse(name).value(), access);
  }

  /// A token server at `realm` that issues "token-1", "token-2", ...
  void issue_tokens(std::string body_template = R"({"token":"token-%","expires_in":300})") {
    const auto give = [this, body_template](const SentRequest&) -> ScriptedHttp::Answer {
      std::string body = body_template;
      const auto at = body.find('%');
      if (at != std::string::npos) body.replace(at, 1, std::to_string(++issued));
      return answer(200, {{"Content-Type", "application/json"}}, body);
    };
    http.on(Method::kGet, "/token", give);
    http.on(Method::kPost, "/token", give);
  }

  ScriptedHttp http;
  test::FakeClock clock;
  std::unique_ptr<Registry> registry;
  int issued = 0;

 private:
  void make(Options options, std::string host) {
    registry =
        std::make_unique<Registry>(http, *credentials_, clock, std::move(options), std::move(host));
  }

  std::unique_ptr<CredentialSource> credentials_ = std::make_unique<NoCredentials>();
};

inline const char* const kImage =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
    R"("config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,)"
    R"("digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},)"
    R"("layers":[]})";

inline transport::Response image_answer(std::string bytes = kImage) {
  const std::string digest = oci::digest_of(bytes).to_string();
  return answer(200,
                {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"},
                 {"Docker-Content-Digest", digest},
                 {"Content-Length", std::to_string(bytes.size())}},
                bytes);
}

inline oci::Descriptor blob_of(std::string_view content,
                               oci::Algorithm algorithm = oci::Algorithm::kSha256) {
  oci::Descriptor out;
  out.media_type = "application/octet-stream";
  out.digest = oci::digest_of(content, algorithm);
  out.size = content.size();
  return out;
}

/// A body source over a string; hands out at most 5 bytes at a time.
class TextSource final : public BodySource {
 public:
  TextSource(Executor executor, std::string text)
      : executor_(std::move(executor)), text_(std::move(text)) {}
  Executor executor() const override { return executor_; }
  Read read(std::span<std::byte> out) override {
    if (at_ == text_.size()) return {.flow = Flow::kEnd};
    const std::size_t n = std::min({out.size(), text_.size() - at_, std::size_t{5}});
    const auto bytes = std::as_bytes(std::span(text_)).subspan(at_, n);
    std::ranges::copy(bytes, out.begin());
    at_ += n;
    return {.flow = Flow::kMoved, .bytes = n};
  }
  void set_waker(Waker) override {}
  Error failure() const override { return {}; }
  std::size_t taken() const { return at_; }

 private:
  Executor executor_;
  std::string text_;
  std::size_t at_ = 0;
};

/// A sink that keeps what it gets, and says kWait before each piece once.
class TextSink final : public BodySink {
 public:
  explicit TextSink(Executor executor) : executor_(std::move(executor)) {}
  Executor executor() const override { return executor_; }
  void begin(std::string_view of) override { version = of; }
  void note(const RoundTrips& trips) override { way = trips; }
  Flow write(std::span<const std::byte> bytes) override {
    if (wait_first_ && !waited_) {
      waited_ = true;
      waker_();
      return Flow::kWait;
    }
    waited_ = false;
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Flow::kMoved;
  }
  void set_waker(Waker waker) override { waker_ = std::move(waker); }
  Error failure() const override { return {}; }
  void wait_before_each() { wait_first_ = true; }

  std::string text;
  std::string version;
  RoundTrips way;

 private:
  Executor executor_;
  Waker waker_;
  bool wait_first_ = false;
  bool waited_ = false;
};

}  // namespace transship::registry
