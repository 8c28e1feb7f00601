#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>

#include "base/task_group.h"

namespace transship {
namespace {

TEST(Error, MessagesGrowOutwardAndKeepTheFacts) {
  const Error error = Error{.code = Errc::kUnavailable,
                            .message = "HTTP 503",
                            .http_status = 503,
                            .retry_after = std::chrono::milliseconds(2000)}
                          .again()
                          .on(Side::kTarget)
                          .within("push blob")
                          .within("copy app")
                          .with_hint("try later");
  EXPECT_EQ(error.message, "copy app: push blob: HTTP 503");
  EXPECT_EQ(error.describe(), "copy app: push blob: HTTP 503 (try later)");
  EXPECT_EQ(error.code, Errc::kUnavailable);
  EXPECT_EQ(error.side, Side::kTarget);
  EXPECT_TRUE(error.retryable);
  EXPECT_EQ(error.retry_after, std::chrono::milliseconds(2000));
}

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(Errc::kInternal); ++code) {
    names.insert(to_string(static_cast<Errc>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Errc::kInternal) + 1);
}

TEST(Error, ErrnoBecomesACode) {
  EXPECT_EQ(errno_error(ENOENT, "open").code, Errc::kNotFound);
  EXPECT_EQ(errno_error(ENOSPC, "write").code, Errc::kNoSpace);
  EXPECT_EQ(errno_error(EDQUOT, "write").code, Errc::kNoSpace);
  EXPECT_EQ(errno_error(EACCES, "open").code, Errc::kIo);
  EXPECT_EQ(errno_error(EACCES, "open x").message, "open x: Permission denied");
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Errc::kInvalidArgument, "odd");
  return n / 2;
}

Result<void> check(bool good) {
  if (!good) return fail(Errc::kPolicy, "bad");
  return {};
}

Result<int> quarter(int n, bool good) {
  TS_TRY(check(good));
  TS_TRY(const int h, half(n));
  TS_TRY(int q, half(h));
  return q;
}

TEST(TsTry, BindsTheValueOrReturnsTheError) {
  EXPECT_EQ(quarter(8, true).value_or(-1), 2);
  EXPECT_EQ(quarter(6, true).error().message, "odd");
  EXPECT_EQ(quarter(8, false).error().code, Errc::kPolicy);
}

TEST(TsTry, MovesWhatCannotBeCopied) {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> {
    TS_TRY(auto pointer, make());
    return *pointer;
  };
  EXPECT_EQ(use().value_or(0), 7);
}

TEST(TsTry, EvaluatesItsExpressionOnceAndTakesCommas) {
  int calls = 0;
  const auto pair = [&](int a, int b) -> Result<int> {
    ++calls;
    return a + b;
  };
  const auto use = [&]() -> Result<int> {
    TS_TRY(const int sum, pair(1, 2));
    return sum;
  };
  EXPECT_EQ(use().value_or(0), 3);
  EXPECT_EQ(calls, 1);
}

TEST(TsCoTry, EndsTheCoroutine) {
  bool reached = false;
  const auto result = run_to_end([&]() -> Task<Result<void>> {
    TS_CO_TRY(const int four, half(8));
    EXPECT_EQ(four, 4);
    TS_CO_TRY(check(false));
    reached = true;
    co_return Result<void>{};
  });
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::kPolicy);
  EXPECT_FALSE(reached);
}

}  // namespace
}  // namespace transship
