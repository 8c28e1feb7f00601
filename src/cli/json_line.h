#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace transship::cli {

/// One line of JSON, as every command prints it. Names of files may be no UTF-8, which JSON must be
/// (RFC 8259, 8.1): such bytes are U+FFFD.
std::string json_line(const boost::json::object& object);

}  // namespace transship::cli
