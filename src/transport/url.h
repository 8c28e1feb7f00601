#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace transship::transport {

/// An absolute http or https URL. The path and the query are kept to the letter: upload Locations
/// carry signed state.
struct Url {
  std::string scheme;  ///< "http" or "https".
  std::string host;    ///< Lower case; an IPv6 literal in brackets.
  std::uint16_t port = 0;
  std::string target;  ///< Path and query, from "/" on. No fragment.

  static Result<Url> parse(std::string_view text);
  /// A reference as a Location or Link gives it, resolved against this URL (RFC 3986, 5.2).
  Result<Url> resolve(std::string_view reference) const;

  /// Scheme, host and port: where credentials belong.
  bool same_origin(const Url& other) const;
  /// "host" or "host:port", the port only where it is not the scheme's own.
  std::string authority() const;
  std::string to_string() const;
  std::string_view path() const;
  std::string_view query() const;  ///< Without "?".
  /// Adds `key=value` (value percent-encoded) behind the query as it stands.
  void append_query(std::string_view key, std::string_view value);
};

}  // namespace transship::transport
