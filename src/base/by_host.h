#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace transship {

/// "host" of "host:port"; an IPv6 literal keeps its brackets.
inline std::string_view without_port(std::string_view authority) {
  const auto colon = authority.rfind(':');
  const bool port = colon != std::string_view::npos && authority.find(']', colon) == authority.npos;
  return authority.substr(0, port ? colon : authority.npos);
}

/// What is said of `host` ("host[:port]", in lower case), with the name under which it is: what is
/// said of a host without a port is said of all of its ports. Null: nothing.
template <class T>
const std::pair<const std::string, T>* of_host(const std::map<std::string, T>& by_host,
                                               const std::string& host) {
  auto found = by_host.find(host);
  if (found == by_host.end()) found = by_host.find(std::string(without_port(host)));
  return found == by_host.end() ? nullptr : &*found;
}

}  // namespace transship
