#include "engine/pipe/cursor.h"

#include "engine/pipe/pipe.h"

namespace transship::engine {

Cursor::Cursor(Executor executor, std::function<void(std::uint64_t)> moved,
               std::function<void(Cause)> waits)
    : executor_(std::move(executor)), moved_(std::move(moved)), waits_(std::move(waits)) {}

Cursor::~Cursor() {
  if (pipe_ != nullptr) pipe_->release(*this);
}

BodySource::Read Cursor::read(std::span<std::byte> out) {
  if (failure_) return {Flow::kFailed, 0};
  if (pipe_ == nullptr) {
    waiting_ = true;
    return {Flow::kWait, 0};
  }
  return pipe_->read(*this, out);
}

Error Cursor::failure() const {
  return failure_.value_or(Error{.code = Errc::kInternal, .message = "no failure"});
}

void Cursor::arm() {
  failure_.reset();
  waiting_ = false;
  if (pipe_ != nullptr) failure_ = pipe_->failure_;
}

void Cursor::kept(std::uint64_t length) {
  if (pipe_ != nullptr) allow(length + pipe_->lead());
}

void Cursor::allow(std::uint64_t limit) {
  if (limit <= limit_) return;
  limit_ = limit;
  if (pipe_ != nullptr && pipe_->available(*this) > 0) wake();
}

bool Cursor::due() {
  const bool ready = failure_ || (pipe_ != nullptr && (pipe_->available(*this) > 0 ||
                                                       pipe_->state_ == Pipe::State::kVerified));
  if (!ready) waiting_ = true;
  return ready;
}

void Cursor::wake() {
  if (!std::exchange(waiting_, false)) return;
  if (waker_) waker_();
}

void Cursor::cut(const Error& error) {
  if (!failure_) failure_ = error;
  waiting_ = true;  // It must learn of it, whether it waits for bytes or not.
  wake();
}

void Cursor::turn(Cause cause, const TimeSource& time) {
  if (cause == wait_.cause()) return;
  wait_.turn(cause, time.now());
  if (waits_) waits_(cause);
}

}  // namespace transship::engine
