#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace transship {

/// What went wrong, as far as a caller may branch on it. Whether to try again is not here: that is
/// `Error::retryable`, decided once, where the fact is known.
enum class Errc : std::uint8_t {
  kInvalidArgument,    ///< What the user wrote (command line, configuration) makes no sense.
  kCancelled,          ///< A signal, or a sibling's failure, ended this.
  kTimeout,            ///< A deadline passed.
  kStalled,            ///< Bytes were due and none came.
  kResolve,            ///< The host name has no address.
  kConnect,            ///< Refused, unreachable.
  kTls,                ///< Handshake or certificate.
  kNetwork,            ///< Reset, closed early, protocol error below HTTP.
  kUnauthorized,       ///< HTTP 401 that no credential at hand satisfies.
  kDenied,             ///< HTTP 403: permission, quota, policy.
  kNotFound,           ///< HTTP 404 of a manifest or blob; a file that is not there.
  kRepositoryUnknown,  ///< The repository itself is missing (NAME_UNKNOWN).
  kUnsupported,        ///< The other side has no such feature (405, 501), or we refuse the format.
  kConflict,           ///< 409, 412, immutable tag.
  kBlobMissing,        ///< A manifest was refused because content below it is missing.
  kRateLimited,        ///< HTTP 429.
  kUnavailable,        ///< HTTP 5xx.
  kHttp,               ///< Any other status that was not expected.
  kRange,              ///< 416, or a Range answered with other bytes.
  kUploadUnknown,      ///< The upload session is gone.
  kDigestMismatch,     ///< Bytes are not what their digest says.
  kSizeMismatch,       ///< Body longer or shorter than its descriptor.
  kMalformed,          ///< Remote bytes that do not parse.
  kTooLarge,           ///< Over a limit of ours.
  kUntrusted,          ///< A redirect, realm or Location that the policy refuses.
  kPolicy,             ///< Stopped by what the configuration asks (overwrite = never).
  kNoSpace,            ///< Disk full or quota.
  kIo,                 ///< A local file.
  kInternal,           ///< A defect of ours.
};

std::string_view to_string(Errc code);

/// Which end of the copy failed.
enum class Side : std::uint8_t { kLocal, kSource, kTarget };

std::string_view to_string(Side side);

/// A failure as a value. The message grows outward, the outermost action first:
/// "push blob sha256:ab12... to eu.example.com/team/app: HTTP 503". It never holds a secret.
struct Error {
  Errc code = Errc::kInternal;
  std::string message;
  bool retryable = false;
  Side side = Side::kLocal;
  int http_status = 0;  ///< 0: no HTTP answer.
  std::optional<std::chrono::milliseconds> retry_after{};
  /// The whole host fails, not what was asked of it: no attempt of this step is counted.
  bool host_down = false;
  std::string hint{};  ///< What the reader can do next; empty where that is not known.

  /// What was asked for is not there, or its repository is not.
  [[nodiscard]] bool absent() const {
    return code == Errc::kNotFound || code == Errc::kRepositoryUnknown;
  }

  /// The same error, seen from one step further out.
  [[nodiscard]] Error within(std::string_view action) &&;
  [[nodiscard]] Error on(Side which) &&;
  [[nodiscard]] Error with_hint(std::string what_to_do) &&;
  [[nodiscard]] Error again(bool may_retry = true) &&;

  /// Message and hint in one line, for people.
  [[nodiscard]] std::string describe() const;
};

template <class T>
using Result = std::expected<T, Error>;

/// `return fail(Errc::kIo, "...")`.
[[nodiscard]] std::unexpected<Error> fail(Errc code, std::string message);

/// From an errno of a local call: kNotFound, kNoSpace or kIo.
[[nodiscard]] Error errno_error(int number, std::string_view action);

}  // namespace transship

// TS_TRY(expr): returns the error of a Result<void>.
// TS_TRY(auto x, expr): the same, else binds the value. TS_CO_TRY: in coroutines.
#define TS_PICK(_1, _2, _3, _4, NAME, ...) NAME
#define TS_CONCAT2(a, b) a##b
#define TS_CONCAT(a, b) TS_CONCAT2(a, b)
#define TS_TRY_VOID(ret, tmp, ...)                                     \
  do {                                                                 \
    if (auto tmp = (__VA_ARGS__); !tmp) [[unlikely]]                   \
      ret std::unexpected<::transship::Error>(std::move(tmp).error()); \
  } while (false)
#define TS_TRY_BIND(ret, tmp, decl, ...)                             \
  auto tmp = (__VA_ARGS__);                                          \
  if (!tmp) [[unlikely]]                                             \
    ret std::unexpected<::transship::Error>(std::move(tmp).error()); \
  decl = std::move(*tmp)
#define TS_TRY1(ret, a) TS_TRY_VOID(ret, TS_CONCAT(ts_result_, __LINE__), a)
#define TS_TRYN(ret, a, ...) TS_TRY_BIND(ret, TS_CONCAT(ts_result_, __LINE__), a, __VA_ARGS__)
#define TS_TRY(...) TS_PICK(__VA_ARGS__, TS_TRYN, TS_TRYN, TS_TRYN, TS_TRY1)(return, __VA_ARGS__)
#define TS_CO_TRY(...) \
  TS_PICK(__VA_ARGS__, TS_TRYN, TS_TRYN, TS_TRYN, TS_TRY1)(co_return, __VA_ARGS__)
