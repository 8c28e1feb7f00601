#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "base/error.h"

namespace transship {

/// A coroutine of this project: lazy, started by being awaited, or by a TaskGroup.
///
/// It runs on the shard that started it. Cancellation reaches it as a value: every wait of `base`
/// and `transport` returns Errc::kCancelled once its group was cancelled, never throws, and a wait
/// that starts after the cancellation returns at once.
template <class T>
using Task = boost::asio::awaitable<T>;

using Executor = boost::asio::any_io_executor;

/// True once the group that runs the calling coroutine was cancelled. Loops ask each turn.
[[nodiscard]] Task<bool> cancelled();

/// kCancelled once the calling coroutine's group was cancelled.
[[nodiscard]] Task<Result<void>> check_cancelled();

/// The executor (shard) of the calling coroutine.
[[nodiscard]] Task<Executor> current_executor();

}  // namespace transship
