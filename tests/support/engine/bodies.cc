#include "support/engine/bodies.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <memory>

namespace transship::test {

TestBody::TestBody(Executor executor, BodyHabits habits)
    : executor_(std::move(executor)),
      habits_(habits),
      random_(habits.seed),
      waker_(std::make_shared<Waker>()) {}

// A wake-up that is still queued finds nobody.
TestBody::~TestBody() { *waker_ = nullptr; }

TestBody::Turn TestBody::turn() {
  if (over_) ++misuses_;
  if (habits_.fail_after && moved_ >= *habits_.fail_after) {
    over_ = true;
    return Turn::kFail;
  }
  if (habits_.stall_after && moved_ >= *habits_.stall_after) {
    ++waits_;
    return Turn::kWait;
  }
  if (std::uniform_real_distribution<double>(0, 1)(random_) >= habits_.wait) return Turn::kMove;
  ++waits_;
  wake_later();
  return Turn::kWait;
}

void TestBody::wake_later() {
  boost::asio::post(executor_, [waker = waker_] {
    if (*waker) (*waker)();
  });
}

StringSource::StringSource(Executor executor, std::string bytes, BodyHabits habits)
    : TestBody(std::move(executor), habits), bytes_(std::move(bytes)) {}

BodySource::Read StringSource::read(std::span<std::byte> out) {
  switch (turn()) {
    case Turn::kFail:
      return {Flow::kFailed};
    case Turn::kWait:
      return {Flow::kWait};
    case Turn::kMove:
      break;
  }
  std::uint64_t end = bytes_.size();
  if (habits_.fail_after) end = std::min(end, *habits_.fail_after);
  if (habits_.stall_after) end = std::min(end, *habits_.stall_after);
  if (moved_ == end) {
    over_ = true;
    return {Flow::kEnd};
  }
  const std::size_t n = std::min({out.size(), habits_.piece, std::size_t{end - moved_}});
  std::copy_n(reinterpret_cast<const std::byte*>(bytes_.data()) + moved_, n, out.begin());
  moved_ += n;
  return {Flow::kMoved, n};
}

Error StringSource::failure() const {
  return {.code = Errc::kNetwork, .message = "the source broke", .retryable = true};
}

StringSink::StringSink(Executor executor, BodyHabits habits)
    : TestBody(std::move(executor), habits) {}

Flow StringSink::write(std::span<const std::byte> bytes) {
  switch (turn()) {
    case Turn::kFail:
      return Flow::kFailed;
    case Turn::kWait:
      return Flow::kWait;
    case Turn::kMove:
      break;
  }
  bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  moved_ += bytes.size();
  return Flow::kMoved;
}

Error StringSink::failure() const {
  return {.code = Errc::kNetwork, .message = "the sink broke", .retryable = true};
}

}  // namespace transship::test
