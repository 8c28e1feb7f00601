#pragma once

#include <cstdint>
#include <string_view>

#include "base/body.h"

namespace transship::registry {

/// A sub-range of a source's bytes, from where it stands: the next `limit` of them. Counts what was
/// taken, so that a refused request can tell whether its body may be sent again.
class CountingSource final : public BodySource {
 public:
  CountingSource(BodySource& inner, std::uint64_t limit) : inner_(inner), limit_(limit) {}

  Executor executor() const override { return inner_.executor(); }
  Read read(std::span<std::byte> out) override;
  void set_waker(Waker waker) override { inner_.set_waker(std::move(waker)); }
  Error failure() const override { return inner_.failure(); }

  /// Bytes taken so far. Read it when no request runs.
  std::uint64_t taken() const { return taken_; }

 private:
  BodySource& inner_;
  std::uint64_t limit_;
  std::uint64_t taken_ = 0;
};

/// Bytes at hand as a body. They outlive it.
class MemorySource final : public BodySource {
 public:
  MemorySource(Executor executor, std::string_view text)
      : executor_(std::move(executor)), text_(text) {}

  Executor executor() const override { return executor_; }
  Read read(std::span<std::byte> out) override;
  void set_waker(Waker) override {}
  Error failure() const override { return {}; }

 private:
  Executor executor_;
  std::string_view text_;
};

/// Passes `length` bytes on to a sink, from `skip` bytes into what is received: what a registry
/// sends beyond the range that was asked never reaches the pipe.
class RangeSink final : public SinkFilter {
 public:
  RangeSink(BodySink& inner, std::uint64_t length) : SinkFilter(inner), length_(length) {}

  /// A 200 in answer to a Range: discard this much first, and cut the transfer behind the range.
  void expect_whole(std::uint64_t skip) {
    skip_ = skip;
    whole_ = true;
  }

  Flow write(std::span<const std::byte> bytes) override;
  Error failure() const override;

  /// All of the range was passed on. Read these when no request runs.
  bool complete() const { return passed_ == length_; }
  std::uint64_t passed() const { return passed_; }
  /// The transfer was cut by us, as all was there.
  bool cut() const { return cut_; }

 private:
  std::uint64_t length_;
  std::uint64_t skip_ = 0;
  std::uint64_t passed_ = 0;
  bool whole_ = false;
  bool cut_ = false;
  bool overlong_ = false;
};

}  // namespace transship::registry
