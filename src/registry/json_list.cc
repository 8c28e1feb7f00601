#include "registry/json_list.h"

#include <boost/json.hpp>

#include "oci/json.h"

namespace transship::registry {

Result<JsonList> parse_json_list(std::string_view body, std::string_view key) {
  oci::json::Limits limits;
  limits.max_bytes = 64U << 20U;
  TS_TRY(const boost::json::object object, oci::json::parse_object(body, "list", limits));
  TS_TRY(const boost::json::array* array, oci::json::find_array(object, key));
  JsonList out;
  if (array == nullptr) return out;
  out.entries.reserve(array->size());
  for (const boost::json::value& each : *array) {
    if (each.is_string()) {
      out.entries.emplace_back(each.get_string());
    } else {
      ++out.others;
    }
  }
  return out;
}

}  // namespace transship::registry
