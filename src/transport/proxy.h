#pragma once

#include <string>

#include "transport/url.h"

namespace transship::transport {

/// The proxy variables of the environment, lower case names first (HTTP_PROXY in upper case is
/// not read: servers that run CGI can be made to set it).
struct ProxyEnvironment {
  std::string http;
  std::string https;
  std::string all;
  std::string none;  ///< NO_PROXY.

  static ProxyEnvironment read();
};

/// The proxy to use for `url`; empty: none. NO_PROXY entries: "*", names and ".names" with all
/// below them, addresses, CIDR blocks, IPv6 with or without brackets, each with or without ":port".
std::string proxy_for(const ProxyEnvironment& environment, const Url& url);

}  // namespace transship::transport
