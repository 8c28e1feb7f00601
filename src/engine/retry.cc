#include "engine/retry.h"

#include <fmt/format.h>

#include <algorithm>

namespace transship::engine {

namespace {

// The same steps jitter alike in every run with the same seed, whatever their order.
std::uint64_t seed_of(const Options& options, std::string_view what) {
  if (options.random_seed == 0) return std::random_device{}();
  return options.random_seed ^ std::hash<std::string_view>{}(what);
}

}  // namespace

Retry::Retry(const Context& context, std::string what)
    : context_(context),
      what_(std::move(what)),
      deadline_(context.time.now() + context.options.item_deadline) {}

void Retry::reset() {
  attempts_ = 0;
  denied_ = false;
  deadline_ = context_.time.now() + context_.options.item_deadline;
}

// protocol.md 6.2: rand(0, min(cap, base * 2^n)), and never before the server's Retry-After.
std::chrono::milliseconds Retry::backoff(const Error& error) {
  const Options& options = context_.options;
  const std::size_t doublings = std::min<std::size_t>(attempts_ - 1, 32);
  const auto ceiling = std::min<std::int64_t>(
      options.backoff_cap.count(),
      options.backoff_base.count() * static_cast<std::int64_t>(1ULL << doublings));
  std::uniform_int_distribution<std::int64_t> jitter(0, std::max<std::int64_t>(ceiling, 0));
  if (!random_) random_ = std::make_unique<std::mt19937_64>(seed_of(options, what_));
  const std::chrono::milliseconds pause(jitter(*random_));
  return std::max(pause, error.retry_after.value_or(std::chrono::milliseconds(0)));
}

// A target that refuses what we have verified says nothing of the source.
bool Retry::corrupt(const Error& error) {
  if (error.code != Errc::kDigestMismatch || error.side == Side::kTarget) return false;
  if (std::exchange(mismatch_, error.message) != mismatch_) mismatches_ = 0;
  return ++mismatches_ >= context_.options.max_mismatches;
}

// A link that has expired, or a firewall's whim: the second time it is meant.
bool Retry::denied(const Error& error) {
  return error.code == Errc::kDenied && std::exchange(denied_, true);
}

Task<bool> Retry::wait_after(const Error& error) {
  // A host that fails altogether is waited for by its gate, which also says when that ends.
  if (!error.host_down || attempts_ == 0) ++attempts_;
  if (!error.retryable || error.code == Errc::kCancelled) co_return false;
  if (corrupt(error) || denied(error)) co_return false;
  if (attempts_ >= context_.options.max_attempts || co_await cancelled()) co_return false;
  const std::chrono::milliseconds pause = backoff(error);
  const Clock::time_point again = context_.time.now() + pause;
  if (again > deadline_) co_return false;
  context_.progress.note(fmt::format("{}: attempt {} in {:.1f} s: {}", what_, attempts_ + 1,
                                     std::chrono::duration<double>(pause).count(),
                                     error.describe()));
  co_return (co_await context_.time.sleep_until(again)).has_value();
}

}  // namespace transship::engine
