// Streamed bodies: pauses, cuts, bodies that are not what was promised, cancellation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <future>

#include "support/http/raw_server.h"
#include "transport/harness.h"

namespace transship::transport::test {
namespace {

using ::testing::HasSubstr;
using transship::test::RawConnection;
using transship::test::RawServer;

Options quick() {
  Options options;
  options.first_byte_timeout = std::chrono::milliseconds(150);
  options.stall_timeout = std::chrono::milliseconds(150);
  options.connect_timeout = std::chrono::milliseconds(1500);
  return options;
}

// A small ring between a download and an upload: both sides pause all the time.
class Ring {
 public:
  Ring(Executor executor, std::size_t capacity) : in_(*this, executor), out_(*this, executor) {
    bytes_.reserve(capacity);
    capacity_ = capacity;
  }
  BodySink& sink() { return in_; }
  BodySource& source() { return out_; }
  int pauses() const { return pauses_; }

 private:
  struct In final : BodySink {
    In(Ring& r, Executor e) : ring(r), where(std::move(e)) {}
    Executor executor() const override { return where; }
    Flow write(std::span<const std::byte> bytes) override { return ring.put(bytes); }
    void set_waker(Waker w) override { waker = std::move(w); }
    Error failure() const override { return {}; }
    Ring& ring;
    Executor where;
    Waker waker;
  };
  struct Out final : BodySource {
    Out(Ring& r, Executor e) : ring(r), where(std::move(e)) {}
    Executor executor() const override { return where; }
    Read read(std::span<std::byte> out) override { return ring.take(out); }
    void set_waker(Waker w) override { waker = std::move(w); }
    Error failure() const override { return {}; }
    Ring& ring;
    Executor where;
    Waker waker;
  };

  Flow put(std::span<const std::byte> bytes) {
    if (!bytes_.empty() && bytes_.size() + bytes.size() > capacity_) {
      ++pauses_;
      return Flow::kWait;
    }
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    if (out_.waker) out_.waker();
    return Flow::kMoved;
  }

  BodySource::Read take(std::span<std::byte> out) {
    if (bytes_.empty()) {
      ++pauses_;
      return {Flow::kWait};
    }
    const std::size_t n = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.begin(), n, out.begin());
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(n));
    if (in_.waker) in_.waker();
    return {Flow::kMoved, n};
  }

  In in_;
  Out out_;
  std::vector<std::byte> bytes_;
  std::size_t capacity_ = 0;
  int pauses_ = 0;
};

Request download(const RawServer& server, BodySink& sink, std::uint64_t bytes) {
  Request request = get(server.url("/blob"));
  request.channel = Channel::kBlob;
  request.sink = &sink;
  request.expected_bytes = bytes;
  return request;
}

Request upload(const RawServer& server, BodySource& source, std::uint64_t bytes) {
  Request request = get(server.url("/upload"));
  request.method = Method::kPut;
  request.channel = Channel::kBlob;
  request.source = &source;
  request.content_length = bytes;
  return request;
}

TEST(Bodies, RelaysThroughARingSmallerThanAPiece) {
  const std::string body = noise(8'000'000);
  RawServer from([&](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", body);
  });
  std::promise<std::string> arrived;
  RawServer to([&](RawConnection& c) {
    c.read_head();
    arrived.set_value(c.read_body(body.size()));
    c.respond("201 Created", "", "");
  });
  Harness h({}, 2);
  Ring ring(h.shards().at(1), 20'000);
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto one = [](Harness& x, Request request, int status) -> Task<Result<void>> {
      TS_CO_TRY(const Response answer, co_await x.client().send(std::move(request)));
      EXPECT_EQ(answer.status, status);
      co_return Result<void>{};
    };
    group.spawn(one(self, download(from, ring.sink(), body.size()), 200));
    group.spawn(one(self, upload(to, ring.source(), body.size()), 201));
    co_return co_await group.join();
  });
  ASSERT_TRUE(ran) << ran.error().describe();
  EXPECT_TRUE(arrived.get_future().get() == body);
  EXPECT_GT(ring.pauses(), 100);
}

// The server's view of an upload: what it promised, and what came before the end.
struct Cut {
  std::string head;
  std::string body;
};

RawServer::Script watch_upload(std::promise<Cut>& seen) {
  return [&seen](RawConnection& c) {
    Cut cut;
    cut.head = c.read_head();
    cut.body = c.read_to_end();
    seen.set_value(std::move(cut));
  };
}

TEST(Bodies, ASourceThatFailsCutsTheConnectionBeforeTheEnd) {
  std::promise<Cut> seen;
  RawServer server(watch_upload(seen));
  Harness h;
  const std::string body = noise(500'000);
  TextSource source(h.shards().control(), body, 100'000);
  source.hold_at = body.size() - 1;  // The last byte is withheld...
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto judge = [](Harness&, TextSource& s) -> Task<Result<void>> {
      while (s.given() < s.hold_at) TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(1)));
      s.failing = true;  // ... until the verdict.
      s.wake();
      co_return Result<void>{};
    };
    group.spawn(judge(self, source));
    const auto answer = co_await self.client().send(upload(server, source, body.size()));
    EXPECT_FALSE(answer);
    if (!answer) {
      EXPECT_EQ(answer.error().code, Errc::kDigestMismatch);
    }
    co_return co_await group.join();
  });
  ASSERT_TRUE(ran);
  const Cut cut = seen.get_future().get();
  EXPECT_THAT(cut.head, HasSubstr("Content-Length: 500000"));
  EXPECT_LT(cut.body.size(), body.size());
}

TEST(Bodies, ASourceThatEndsEarlyOrGivesTooMuchIsCut) {
  for (const std::uint64_t promised : {600'000U, 400'000U}) {
    std::promise<Cut> seen;
    RawServer server(watch_upload(seen));
    Harness h;
    TextSource source(h.shards().control(), noise(500'000));
    const auto answer = h.send(upload(server, source, promised));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::kSizeMismatch);
    EXPECT_LT(seen.get_future().get().body.size(), promised);
  }
}

TEST(Bodies, ASinkThatFailsEndsTheDownload) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", noise(2'000'000));
  });
  Harness h;
  TextSink sink(h.shards().control());
  sink.failing = true;
  const auto answer = h.send(download(server, sink, 2'000'000));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kNoSpace);
}

TEST(Bodies, AnEndlessBodyIsEndedByItsSink) {
  std::promise<void> cut;
  RawServer server([&](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\n\r\n");
    while (c.write(std::string(65536, 'x'))) {
    }
    cut.set_value();
  });
  Harness h;
  TextSink sink(h.shards().control());
  sink.hold_at = 1'000'000;
  sink.on_wait = [&] {
    sink.failing = true;
    sink.wake();
  };
  const auto answer = h.send(download(server, sink, 1'000'000));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kNoSpace);
  cut.get_future().get();
}

TEST(Bodies, ASinkThatFailsWhileNothingComesEndsItsTransfer) {
  std::promise<void> ended;
  RawServer server([&](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + std::string(100'000, 'x'));
    ended.get_future().wait();
  });
  Options options;
  options.stall_timeout = std::chrono::hours(1);
  Harness h(options);
  TextSink sink(h.shards().control());
  sink.hold_at = 1;
  sink.on_wait = [&] {
    sink.failing = true;
    sink.wake();
  };
  const auto answer = h.send(download(server, sink, 1'000'000));
  ended.set_value();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kNoSpace);
}

TEST(Bodies, ABodyThatIsKeptHasALimit) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\n\r\n");
    while (c.write(std::string(65536, 'x'))) {
    }
  });
  Harness h;
  Request request = get(server.url());
  request.max_body = 100'000;
  const auto answer = h.send(std::move(request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTooLarge);
  EXPECT_FALSE(answer.error().retryable);
}

TEST(Bodies, ABodyCutShortIsAnErrorOfTheNetwork) {
  const std::vector<std::string> answers = {
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
      "HTTP/1.1 200 OK\r\nContent-Le",
      "",
  };
  for (const std::string& text : answers) {
    RawServer server([&](RawConnection& c) {
      c.read_head();
      c.write(text);
    });
    Harness h;
    const auto answer = h.send(get(server.url("/b?X-Amz-Signature=secret")));
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().code, Errc::kNetwork) << answer.error().describe();
    EXPECT_TRUE(answer.error().retryable);
    EXPECT_THAT(answer.error().message, ::testing::Not(HasSubstr("secret")));
  }
}

TEST(Bodies, OnHeadEndsATransferBeforeItsFirstByte) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", noise(1'000'000));
  });
  Harness h;
  TextSink sink(h.shards().control());
  Request request = download(server, sink, 1'000'000);
  request.on_head = [](const Response& head) -> Result<void> {
    return fail(Errc::kRange, head.headers.find("Content-Range") ? "" : "no Content-Range");
  };
  const auto answer = h.send(std::move(request));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kRange);
  EXPECT_EQ(sink.text, "");
}

TEST(Bodies, AHeaderFloodIsCut) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\n");
    while (c.write("X-Flood: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTooLarge) << answer.error().describe();
}

TEST(Bodies, AHeaderLineWithoutEndIsCut) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\nX-Long: ");
    while (c.write(std::string(10'000, 'x'))) {
    }
  });
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTooLarge) << answer.error().describe();
}

TEST(Bodies, ARefusalBeforeTheBodyIsThroughIsRead) {
  for (const char* fields : {"", "Connection: close\r\n"}) {
    for (const std::size_t hold_at : {std::size_t{2000}, SIZE_MAX}) {
      RawServer server([&](RawConnection& c) {
        c.read_head();
        c.read_body(2000);
        c.respond("413 Too Large", fields, "no more");
        c.read_to_end();
      });
      Harness h;
      TextSource source(h.shards().control(), noise(30'000'000), 1000);
      source.hold_at = hold_at;
      const auto answer = h.send(upload(server, source, 30'000'000));
      ASSERT_TRUE(answer) << answer.error().describe();
      EXPECT_EQ(answer->status, 413);
      EXPECT_EQ(answer->body, "no more");
    }
  }
}

TEST(Bodies, InterimAnswersArePassedOver) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n");
    c.write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    c.respond("200 OK", "X-Late: 1\r\n", "ok");
  });
  Harness h;
  const auto answer = h.send(get(server.url()));
  ASSERT_TRUE(answer) << answer.error().describe();
  EXPECT_EQ(answer->status, 200);
  EXPECT_FALSE(answer->headers.find("X-Early"));
  EXPECT_TRUE(answer->headers.find("X-Late"));
}

// ---- time

TEST(Bodies, AnAnswerThatDoesNotComeTimesOut) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.read_to_end();
  });
  Harness h(quick());
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTimeout) << answer.error().describe();
  EXPECT_TRUE(answer.error().retryable);
}

TEST(Bodies, ADownloadWithoutBytesStalls) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    c.read_to_end();
  });
  Harness h(quick());
  TextSink sink(h.shards().control());
  const auto answer = h.send(download(server, sink, 100));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kStalled) << answer.error().describe();
  EXPECT_TRUE(answer.error().retryable);
  EXPECT_EQ(sink.text, "half");
}

// A list or a manifest, byte by byte: each in time, the whole never.
TEST(Bodies, AnAnswerThatTricklesIsBroken) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.write("HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n");
    while (c.write("x") && !c.hears_within(std::chrono::milliseconds(40))) {
    }
  });
  Harness h(quick());
  const auto answer = h.send(get(server.url()));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kStalled) << answer.error().describe();
  EXPECT_THAT(answer.error().message, HasSubstr("fewer than 1000 bytes a second for 0.3 s"));
  EXPECT_TRUE(answer.error().retryable);
}

// What was sent in requests before is hashed with the last one, which may have no body at all.
TEST(Bodies, AnAnswerHasLongerForWhatThePeerHasToSettle) {
  RawServer server([](RawConnection& c) {
    c.read_head();
    c.read_to_end();
  });
  Options options = quick();
  options.upload_settle_rate = 1000;
  Harness h(options);
  Request put = get(server.url());
  put.method = Method::kPut;
  put.settle_bytes = 100;
  const auto answer = h.send(std::move(put));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kTimeout);
  EXPECT_THAT(answer.error().message, HasSubstr("no answer within 0.25 s"));
}

TEST(Bodies, AnUploadThatNobodyReadsStalls) {
  std::promise<void> release;
  auto released = release.get_future();
  RawServer server([&](RawConnection& c) {
    c.read_head();
    released.wait();
  });
  Harness h(quick());
  TextSource source(h.shards().control(), noise(30'000'000));
  const auto answer = h.send(upload(server, source, 30'000'000));
  release.set_value();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Errc::kStalled) << answer.error().describe();
}

TEST(Bodies, APausedSideDoesNotStall) {
  const std::string body = noise(3'000'000);
  RawServer server([&](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", body);
  });
  Harness h(quick());
  TextSink sink(h.shards().control());
  sink.hold_at = 100'000;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto later = [](TextSink& s) -> Task<Result<void>> {
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(500)));  // Beyond the limit.
      s.hold_at = SIZE_MAX;
      s.wake();
      co_return Result<void>{};
    };
    group.spawn(later(sink));
    const auto answer = co_await self.client().send(download(server, sink, body.size()));
    EXPECT_TRUE(answer) << answer.error().describe();
    co_return co_await group.join();
  });
  ASSERT_TRUE(ran);
  EXPECT_GT(sink.waits, 0);
  EXPECT_TRUE(sink.text == body);
}

// ---- cancellation

// Sends `request` and cancels it when `when` says so; what came of it.
Result<Response> cancelled_send(Harness& h, Request request,
                                std::function<Task<Result<void>>()> when) {
  Result<Response> out = fail(Errc::kInternal, "not ended");
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control());
    auto one = [](Harness& x, Request r, Result<Response>& slot) -> Task<Result<void>> {
      slot = co_await x.client().send(std::move(r));
      co_return Result<void>{};
    };
    group.spawn(one(self, std::move(request), out));
    TS_CO_TRY(co_await when());
    group.cancel();
    static_cast<void>(co_await group.join());
    co_return Result<void>{};
  });
  EXPECT_TRUE(ran);
  return out;
}

std::function<Task<Result<void>>()> once_ready(std::future<void>& ready) {
  return [&]() -> Task<Result<void>> {
    while (ready.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(1)));
    }
    co_return Result<void>{};
  };
}

TEST(Cancel, WhileTheAnswerIsAwaited) {
  for (const std::size_t shards : {1U, 2U}) {
    std::promise<void> asked, closed;
    auto ready = asked.get_future();
    RawServer server([&](RawConnection& c) {
      c.read_head();
      asked.set_value();
      c.read_to_end();
      closed.set_value();
    });
    Harness h({}, shards);
    TextSink sink(h.shards().at(shards - 1));
    const auto out = cancelled_send(h, download(server, sink, 10), once_ready(ready));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Errc::kCancelled);
    EXPECT_EQ(h.admission.held, 0);
    closed.get_future().wait();
  }
}

TEST(Cancel, WhileBothSidesArePaused) {
  std::promise<void> paused;
  auto ready = paused.get_future();
  RawServer server([&](RawConnection& c) {
    c.read_head();
    c.respond("200 OK", "", noise(1'000'000));
  });
  Harness h({}, 2);
  TextSink sink(h.shards().at(1));
  sink.hold_at = 10'000;
  sink.on_wait = [&] { paused.set_value(); };
  const auto out = cancelled_send(h, download(server, sink, 1'000'000), once_ready(ready));
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::kCancelled);
  sink.wake();  // A waker that comes late is harmless.
}

TEST(Cancel, InTheMiddleOfAnUpload) {
  std::promise<void> begun;
  auto ready = begun.get_future();
  std::promise<std::size_t> got;
  RawServer server([&](RawConnection& c) {
    c.read_head();
    c.read_body(100'000);
    begun.set_value();
    got.set_value(c.read_to_end().size() + 100'000);
  });
  Harness h({}, 2);
  TextSource source(h.shards().at(1), noise(5'000'000));
  source.hold_at = 4'000'000;
  const auto out = cancelled_send(h, upload(server, source, 5'000'000), once_ready(ready));
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Errc::kCancelled);
  EXPECT_LT(got.get_future().get(), 5'000'000U);
}

TEST(Cancel, BeforeAnythingBegan) {
  RawServer server([](RawConnection&) {});
  Harness h;
  const auto out = cancelled_send(h, get(server.url()),
                                  []() -> Task<Result<void>> { co_return Result<void>{}; });
  ASSERT_FALSE(out);
}

TEST(Cancel, WhileTheNameIsBeingResolved) {
  Harness h;
  Options options;
  const auto before = Clock::now();
  const auto out = cancelled_send(h, get("https://nowhere.invalid/"), []() -> Task<Result<void>> {
    co_return co_await sleep_for(std::chrono::milliseconds(0));
  });
  ASSERT_FALSE(out);
  EXPECT_LT(Clock::now() - before, std::chrono::seconds(2));
}

TEST(Cancel, ManyAtOnceLeaveNothingBehind) {
  RawServer server([](RawConnection& c) {
    while (!c.read_head().empty()) {
      if (!c.respond("200 OK", "", noise(100'000))) return;
    }
  });
  Harness h({}, 2);
  std::vector<std::unique_ptr<TextSink>> sinks;
  for (int i = 0; i < 200; ++i) {
    sinks.push_back(std::make_unique<TextSink>(h.shards().at(static_cast<std::size_t>(i % 2))));
  }
  int ended = 0;
  const auto ran = h.run([&](Harness& self) -> Task<Result<void>> {
    TaskGroup group(self.shards().control(), TaskGroup::OnFailure::kKeepGoing);
    auto one = [](Harness& x, Request r, int& count) -> Task<Result<void>> {
      static_cast<void>(co_await x.client().send(std::move(r)));
      ++count;
      co_return Result<void>{};
    };
    for (auto& sink : sinks) group.spawn(one(self, download(server, *sink, 100'000), ended));
    while (ended < 20) TS_CO_TRY(co_await sleep_for(std::chrono::milliseconds(0)));
    group.cancel();
    static_cast<void>(co_await group.join());
    co_return Result<void>{};
  });
  ASSERT_TRUE(ran);
  EXPECT_EQ(ended, 200);
  EXPECT_EQ(h.admission.held, 0);
}

}  // namespace
}  // namespace transship::transport::test
