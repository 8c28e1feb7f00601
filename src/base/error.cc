#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace transship {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return "invalid-argument";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kStalled:
      return "stalled";
    case Errc::kResolve:
      return "resolve";
    case Errc::kConnect:
      return "connect";
    case Errc::kTls:
      return "tls";
    case Errc::kNetwork:
      return "network";
    case Errc::kUnauthorized:
      return "unauthorized";
    case Errc::kDenied:
      return "denied";
    case Errc::kNotFound:
      return "not-found";
    case Errc::kRepositoryUnknown:
      return "repository-unknown";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kConflict:
      return "conflict";
    case Errc::kBlobMissing:
      return "blob-missing";
    case Errc::kRateLimited:
      return "rate-limited";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kHttp:
      return "http";
    case Errc::kRange:
      return "range";
    case Errc::kUploadUnknown:
      return "upload-unknown";
    case Errc::kDigestMismatch:
      return "digest-mismatch";
    case Errc::kSizeMismatch:
      return "size-mismatch";
    case Errc::kMalformed:
      return "malformed";
    case Errc::kTooLarge:
      return "too-large";
    case Errc::kUntrusted:
      return "untrusted";
    case Errc::kPolicy:
      return "policy";
    case Errc::kNoSpace:
      return "no-space";
    case Errc::kIo:
      return "io";
    case Errc::kInternal:
      return "internal";
  }
  return "internal";
}

std::string_view to_string(Side side) {
  switch (side) {
    case Side::kLocal:
      return "local";
    case Side::kSource:
      return "source";
    case Side::kTarget:
      return "target";
  }
  return "local";
}

Error Error::within(std::string_view action) && {
  message.insert(0, ": ");
  message.insert(0, action);
  return std::move(*this);
}

Error Error::on(Side which) && {
  side = which;
  return std::move(*this);
}

Error Error::with_hint(std::string what_to_do) && {
  hint = std::move(what_to_do);
  return std::move(*this);
}

Error Error::again(bool may_retry) && {
  retryable = may_retry;
  return std::move(*this);
}

std::string Error::describe() const { return hint.empty() ? message : message + " (" + hint + ")"; }

std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected(Error{.code = code, .message = std::move(message)});
}

Error errno_error(int number, std::string_view action) {
  const Errc code = number == ENOENT                                          ? Errc::kNotFound
                    : number == ENOSPC || number == EDQUOT || number == EFBIG ? Errc::kNoSpace
                                                                              : Errc::kIo;
  return Error{.code = code,
               .message = std::string(action) + ": " + std::generic_category().message(number)};
}

}  // namespace transship
