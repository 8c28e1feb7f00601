#include "cli/json_line.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"

namespace transship::cli {

std::string json_line(const boost::json::object& object) {
  return valid_utf8(boost::json::serialize(object)) + "\n";
}

}  // namespace transship::cli
