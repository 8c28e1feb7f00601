#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event.h"
#include "base/task_group.h"
#include "transport/curl/curl_client.h"
#include "transport/curl/host_rules.h"

namespace transship::transport::test {

/// Lets everything through, and keeps what it was asked and told.
class OpenAdmission final : public Admission {
 public:
  struct Asked {
    std::string host;
    RequestClass request_class;
    std::uint64_t bytes;
  };

  Task<Result<std::unique_ptr<Permit>>> admit(std::string host, RequestClass request_class,
                                              std::uint64_t bytes, Readiness* readiness) override {
    asked.push_back({std::move(host), request_class, bytes});
    if (readiness != nullptr && !readiness->ready()) TS_CO_TRY(co_await readiness->renew());
    co_return std::make_unique<Noting>(*this);
  }

  std::vector<Asked> asked;
  std::vector<Outcome> told;
  Verdict verdict;  ///< What it answers.
  int held = 0;

 private:
  struct Noting final : Permit {
    explicit Noting(OpenAdmission& o) : owner(o) { ++owner.held; }
    ~Noting() override { --owner.held; }
    Verdict report(const Outcome& outcome) override {
      owner.told.push_back(outcome);
      return owner.verdict;
    }
    OpenAdmission& owner;
  };
};

/// A client over its own shards. `run` once per object.
class Harness {
 public:
  using Body = std::function<Task<Result<void>>(Harness&)>;

  explicit Harness(Options options = {}, std::size_t shards = 1)
      : shards_(shards), client_(make_http_client(shards_, std::move(options), admission)) {}

  Result<void> run(Body body) {
    Result<void> out = fail(Errc::kInternal, "the task never ended");
    start(shards_.control(), body(*this), [&](Result<void> result) {
      out = std::move(result);
      shards_.stop();
    });
    shards_.run();
    return out;
  }

  /// One request, to its end.
  Result<Response> send(Request request) {
    Result<Response> out = fail(Errc::kInternal, "not sent");
    const Result<void> ran = run([&](Harness& h) -> Task<Result<void>> {
      out = co_await h.client().send(std::move(request));
      co_return Result<void>{};
    });
    EXPECT_TRUE(ran.has_value());
    return out;
  }

  CurlClient& client() { return *client_; }
  Shards& shards() { return shards_; }

  OpenAdmission admission;

 private:
  Shards shards_;
  std::unique_ptr<CurlClient> client_;
};

inline Request get(const std::string& url) {
  Request request;
  request.url = Url::parse(url).value();
  return request;
}

/// Gives a text in pieces of at most `step` bytes; waits before each piece when asked to.
class TextSource final : public BodySource {
 public:
  TextSource(Executor executor, std::string text, std::size_t step = 1U << 20U)
      : executor_(std::move(executor)), text_(std::move(text)), step_(step) {}

  Executor executor() const override { return executor_; }
  Read read(std::span<std::byte> out) override {
    if (failing) return {Flow::kFailed};
    if (at_ >= hold_at) return {Flow::kWait};
    if (at_ == text_.size()) return {Flow::kEnd};
    const std::size_t n = std::min({out.size(), step_, text_.size() - at_, hold_at - at_});
    std::memcpy(out.data(), text_.data() + at_, n);
    at_ += n;
    return {Flow::kMoved, n};
  }
  void set_waker(Waker waker) override { waker_ = std::move(waker); }
  Error failure() const override { return {.code = Errc::kDigestMismatch, .message = "not right"}; }

  void wake() {
    if (waker_) waker_();
  }
  std::size_t given() const { return at_; }

  std::size_t hold_at = SIZE_MAX;  ///< kWait from here on.
  bool failing = false;

 private:
  Executor executor_;
  std::string text_;
  std::size_t step_;
  std::size_t at_ = 0;
  Waker waker_;
};

/// Keeps what comes; pauses at `hold_at`, fails when told.
class TextSink final : public BodySink {
 public:
  explicit TextSink(Executor executor) : executor_(std::move(executor)) {}

  Executor executor() const override { return executor_; }
  Flow write(std::span<const std::byte> bytes) override {
    if (failing) return Flow::kFailed;
    if (text.size() >= hold_at) {
      ++waits;
      if (on_wait) on_wait();
      return Flow::kWait;
    }
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return Flow::kMoved;
  }
  void note(const RoundTrips& trips) override { ways.push_back(trips); }
  void set_waker(Waker waker) override { waker_ = std::move(waker); }
  Error failure() const override { return {.code = Errc::kNoSpace, .message = "disk full"}; }

  void wake() {
    if (waker_) waker_();
  }

  std::string text;
  std::vector<RoundTrips> ways;
  std::size_t hold_at = SIZE_MAX;
  std::function<void()> on_wait;
  int waits = 0;
  bool failing = false;

 private:
  Executor executor_;
  Waker waker_;
};

/// `bytes` of text that does not repeat soon.
inline std::string noise(std::size_t bytes) {
  std::string out(bytes, '\0');
  std::uint32_t state = 12345;
  for (char& c : out) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24U);
  }
  return out;
}

}  // namespace transship::transport::test
