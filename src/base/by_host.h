#pragma once

#include <map>
#include <string>
#include <utility>

namespace transship {

/// What is said of `host` ("host[:port]", in lower case), with the name under which it is: what is
/// said of a host without a port is said of all of its ports. Null: nothing.
template <class T>
const std::pair<const std::string, T>* of_host(const std::map<std::string, T>& by_host,
                                               const std::string& host) {
  auto found = by_host.find(host);
  if (found == by_host.end()) found = by_host.find(host.substr(0, host.rfind(':')));
  return found == by_host.end() ? nullptr : &*found;
}

}  // namespace transship
