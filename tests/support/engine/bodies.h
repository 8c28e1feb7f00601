#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "base/body.h"

// Bodies for tests of whatever moves them: stores, clients, pipes.

namespace transship::test {

/// How a test body behaves. The same seed gives the same run.
struct BodyHabits {
  std::uint64_t seed = 1;
  double wait = 0.0;               ///< Share of calls that say kWait; the waker comes a turn later.
  std::size_t piece = 64U << 10U;  ///< (sources) Most bytes one read gives.
  std::optional<std::uint64_t> fail_after{};   ///< kFailed once so many bytes moved.
  std::optional<std::uint64_t> stall_after{};  ///< kWait for ever once so many bytes moved.
};

/// What both directions share: who is woken, when to wait.
class TestBody {
 public:
  TestBody(Executor executor, BodyHabits habits);
  TestBody(const TestBody&) = delete;
  TestBody& operator=(const TestBody&) = delete;
  ~TestBody();

  std::uint64_t moved() const { return moved_; }
  std::uint64_t waits() const { return waits_; }
  /// Calls after kEnd or kFailed: defects of whoever calls.
  std::uint64_t misuses() const { return misuses_; }

 protected:
  enum class Turn { kMove, kWait, kFail };
  Turn turn();
  void wake_later();

  Executor executor_;
  BodyHabits habits_;
  std::mt19937_64 random_;
  std::shared_ptr<Waker> waker_;
  std::uint64_t moved_ = 0, waits_ = 0, misuses_ = 0;
  bool over_ = false;
};

/// Gives the bytes of a string.
class StringSource final : public BodySource, public TestBody {
 public:
  StringSource(Executor executor, std::string bytes, BodyHabits habits = {});

  Executor executor() const override { return executor_; }
  Read read(std::span<std::byte> out) override;
  void set_waker(Waker waker) override { *waker_ = std::move(waker); }
  Error failure() const override;

 private:
  std::string bytes_;
};

/// Keeps what it is given.
class StringSink final : public BodySink, public TestBody {
 public:
  explicit StringSink(Executor executor, BodyHabits habits = {});

  Executor executor() const override { return executor_; }
  Flow write(std::span<const std::byte> bytes) override;
  void set_waker(Waker waker) override { *waker_ = std::move(waker); }
  Error failure() const override;

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace transship::test
